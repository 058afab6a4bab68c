"""The data sets: names, folders and layouts in, uint8 images with masks, labels and captions out."""

from benchmarks.datasets.base import Dataset, Sample
from benchmarks.datasets.catalog import DATASETS, DatasetSpec, open_dataset, open_training

__all__ = ["DATASETS", "Dataset", "DatasetSpec", "Sample", "open_dataset", "open_training"]
