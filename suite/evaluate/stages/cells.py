"""The cells of a batch: each is sent, decoded, and its records begun with what the transmission cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common.images import padded, quantise
from benchmarks.link.digital import char_error_rate, chrf, readable
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ledger import Entry
from methods.base import Received, Signal
from suite.evaluate.stages.images import Batch
from suite.evaluate.stages.messages import Cell, DecodedBatch, Description, Reconstruction, Texts, UnitInput
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import own_part, shaped, start_of_record, variants
from suite.link.end_to_end import Ends, Sending, Source, Transmission

UNDESCRIBED = Description(error="MethodError: nothing describes the image; start the evaluation through the suite")


@dataclass
class Outcome:
    """What came of cells: those that are complete, and those that are to be refined."""

    reconstructions: list[Reconstruction] = field(default_factory=list)
    decoded_batches: list[DecodedBatch] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Take in what came of other cells."""
        self.reconstructions += other.reconstructions
        self.decoded_batches += other.decoded_batches


class BatchSender:
    """Sends one batch in every cell of its unit, encoded once.

    Args:
        task: what is sent, with its descriptions.
        ends: the network.
        networks: knows the link.
        batch: the images.
    """

    def __init__(self, task: UnitInput, ends: Ends, networks: Networks, batch: Batch) -> None:
        self.unit, self.batch = task.unit, batch
        self._networks = networks
        described = [task.descriptions.get(id, UNDESCRIBED) for id in batch.keys]
        self._seconds_describe = [each.seconds for each in described] if task.unit.configured.traits.describes else None
        masks = None if batch.masks is None else padded(batch.masks, *self.unit.padded)
        self._images = padded(batch.images, *self.unit.padded)
        self._sending = Sending(ends, Source(self._images, masks, [each.text for each in described]))

    def transmission(self, cell: Cell) -> Transmission:
        """Return what becomes of the batch in a cell."""
        channel, snr_db, repetition = cell
        draws = KeyedDraws(self.unit.grid.seed, self.batch.keys, channel, snr_db, repetition)
        return self._sending.send(self._networks.link(self.unit), draws, self._networks.point(self.unit, channel, snr_db))

    def cell(self, cell: Cell) -> Outcome:
        """Return the reconstructions of a cell, or the decoded batch where they are still to be refined, with their records."""
        unit, batch = self.unit, self.batch
        traits, names = unit.configured.traits, variants(unit)
        sent = self.transmission(cell)
        records: dict[str, list[dict[str, Any]]] = {variant: [] for variant in names}
        for row, id in enumerate(batch.ids):
            for variant, rows in records.items():
                # The last is the method's own; a coarse image before it needed what was decoded alone.
                spent = self._spent(sent, row, coarse=variant != names[-1])
                rows.append(start_of_record(unit, id, variant, cell) | spent)
        texts = [_texts(sent.signal, sent.received, row) for row in range(len(batch.ids))]
        outcome = Outcome()
        if len(names) > 1 or not traits.refines:
            pixels = quantise(own_part(unit, shaped(sent.decoded, self._images.shape)))
            outcome.reconstructions = [Reconstruction(record, pixels[row], texts[row]) for row, record in enumerate(records[names[0]])]
        if traits.refines:
            decoded_batch = DecodedBatch(cell, records[names[-1]], sent.decoded, sent.received, len(batch.images), texts)
            outcome.decoded_batches = [decoded_batch.on("cpu")]
        return outcome

    def _spent(self, sent: Transmission, row: int, coarse: bool) -> dict[str, Any]:
        entry, received = (sent.decoded_entries[row], sent.decoded_from) if coarse else (sent.entries[row], sent.received)
        spent: dict[str, Any] = {"status": "ok", "seconds_encode": sent.seconds_encode, "seconds_decode": sent.seconds_decode}
        # A text that goes into messages which refinement alone reads was not needed for what is decoded before it.
        for_refinement = coarse and "digital" in self.unit.configured.traits.refine_only
        if self._seconds_describe is not None and not for_refinement:
            spent["seconds_describe"] = self._seconds_describe[row]
        return spent | _bill(entry) | _text_fields(sent.signal, received, row, entry)


def _bill(entry: Entry) -> dict[str, Any]:
    names = ("symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total", "measured_snr_db")
    return {name: getattr(entry, name) for name in names}


def _digital(signal: Signal, received: Received) -> tuple[Sequence[bytes] | None, Sequence[bytes | None] | None, bool]:
    """Return what was sent and what arrived as bytes, and whether they are text."""
    if received.texts is not None:
        return signal.texts, received.texts, True
    return signal.digital, received.digital, signal.text


def _texts(signal: Signal, received: Received, row: int) -> Texts | None:
    sent, arrived, text = _digital(signal, received)
    if not text or sent is None or arrived is None:
        return None
    there = arrived[row]
    return Texts(readable(sent[row]), None if there is None else readable(there))


def _text_fields(signal: Signal, received: Received, row: int, entry: Entry) -> dict[str, Any]:
    sent, arrived, text = _digital(signal, received)
    if sent is None or arrived is None:
        return {}
    fields: dict[str, Any] = {
        "text_bytes_sent": entry.text_bytes_sent,
        "text_symbols": entry.symbols_digital,
        "text_ok": entry.text_ok,
        "text_scheme": entry.text_scheme,
    }
    if text:
        told, read = readable(sent[row]), readable(arrived[row] or b"")
        fields |= {"text_char_error_rate": char_error_rate(told, read), "text_chrf": chrf(told, read)}
    return fields
