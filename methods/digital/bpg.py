"""Better Portable Graphics (HEVC intra) through the binaries of libbpg."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from methods.digital.codec import Chroma, Codec
from methods.errors import MethodError, MissingAssetError

_BPG_SECONDS = 60


class BpgCodec(Codec):
    """Better Portable Graphics (HEVC intra) through the binaries ``bpgenc`` and ``bpgdec``.

    Args:
        chroma: samples of chroma beside four of luma, "420" or "444".
    """

    name = "bpg"
    levels = range(0, 52)

    def __init__(self, chroma: Chroma) -> None:
        found = {tool: shutil.which(tool) for tool in ("bpgenc", "bpgdec")}
        missing = [tool for tool, path in found.items() if path is None]
        if missing:
            raise MissingAssetError(f"{' and '.join(missing)} not on the PATH; install libbpg 0.9.8 from https://bellard.org/bpg/")
        self._encoder, self._decoder = (str(path) for path in found.values())
        self._chroma = chroma

    def encode(self, image: Image.Image, level: int) -> bytes:
        """Return the file of an RGB image; the quantiser is 51 - level."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "source.png"), Path(folder, "target.bpg")
            image.save(source)
            command = [self._encoder, "-f", self._chroma, "-q", str(self.levels[-1] - level), "-o", str(target), str(source)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise MethodError(f"{self._encoder} ended with {done.returncode}: {done.stderr.strip()}; check the installation of libbpg")
            return target.read_bytes()

    def read(self, data: bytes) -> Image.Image:
        """Decode a file into an image."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "source.bpg"), Path(folder, "target.png")
            source.write_bytes(data)
            try:
                subprocess.run([self._decoder, "-o", str(target), str(source)], check=True, capture_output=True, timeout=_BPG_SECONDS)
            except subprocess.SubprocessError as error:
                raise ValueError(str(error)) from error
            with Image.open(target, formats=["PNG"]) as image:
                return image.copy()
