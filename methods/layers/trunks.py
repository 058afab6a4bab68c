"""The networks whose features a perceptual loss compares, by name; settings read them without the libraries that run them."""

from typing import Literal

Trunk = Literal["alex", "vgg", "clip"]
TORCHVISION = "torchvision"
