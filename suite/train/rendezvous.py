"""How the processes of one training find one another.

::

    all on one machine ──> a file in a folder of their user's own; they listen on the loopback device alone
    on several         ──> Ray Train's own way: a TCP store on the first one's machine
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.train._internal.base_worker_group import BaseWorkerGroup
from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend
from torch import distributed

from suite.ray_env import on_loopback


@dataclass
class Rendezvous(TorchConfig):
    """Ray Train's group of processes, which opens no port to other machines where no other machine takes part."""

    @property
    def backend_cls(self) -> type["_Rendezvous"]:
        """Return what sets the group up."""
        return _Rendezvous


class _Rendezvous(_TorchBackend):
    _folder: str | None = None

    def on_start(self, worker_group: BaseWorkerGroup, backend_config: Any) -> None:
        if len(set(worker_group.execute(_node))) > 1:
            super().on_start(worker_group, backend_config)
            return
        # PyTorch's TCP store listens on every device of the machine, whatever address it is given, and asks nobody who they are.
        self._folder = worker_group.execute_single(0, tempfile.mkdtemp, prefix="semcom-")
        worker_group.execute(_join, backend_config.backend, self._folder)

    def on_shutdown(self, worker_group: BaseWorkerGroup, backend_config: Any) -> None:
        super().on_shutdown(worker_group, backend_config)
        if self._folder is not None:
            worker_group.execute_single(0, shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())


def _join(backend: str, folder: str) -> None:
    context = ray.train.get_context()
    on_loopback()
    meeting = (Path(folder) / "meeting").as_uri()
    distributed.init_process_group(backend, init_method=meeting, rank=context.get_world_rank(), world_size=context.get_world_size())
