"""Files that others publish and that a method can use: what each is called, how large it is, where it comes from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PublishedFile:
    """A published file and the place where a method's settings look for it.

    Attributes:
        name: its published name.
        size: its published size, "571 MB"; "" where it is not stated.
        source: address.
        purpose: what it is for.
        path: where the settings look for it, or for what is made of it; ``None`` where they name no place.
        needed: whether a method with these settings cannot do without it.
    """

    name: str
    size: str
    source: str
    purpose: str
    path: Path | None = None
    needed: bool = False

    @property
    def there(self) -> bool:
        """Whether it lies where the settings look for it."""
        return self.path is not None and self.path.exists()
