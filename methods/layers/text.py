"""Text at the receiver."""

from methods.base import Received
from methods.errors import MethodError


def received_texts(received: Received, characters: str = "utf-8") -> list[str]:
    """Return each message's text as it arrived: U+FFFD for bytes that are no characters, "" for a message that is lost.

    Raises:
        MethodError: no digital stream arrived.
    """
    if received.digital is None:
        raise MethodError("the receiver reads text and no digital stream arrived; decode what the same method encoded")
    return ["" if message is None else message.decode(characters, errors="replace") for message in received.digital]
