"""Random code blocks sent over a channel and counted: what every measurement of the MCS tables is made of."""

import numpy as np
import torch

from benchmarks.link.channels import Channel
from benchmarks.link.digital.codec import BlockCode
from benchmarks.link.draws import KeyedDraws


def blocks_lost(code: BlockCode, channel: Channel, snr_db: float, transmissions: int, seed: int, first: int, count: int) -> int:
    """Send blocks number ``first`` to ``first + count - 1`` of random bits, each up to ``transmissions`` times; return how many fail.

    A block that all transmissions together deliver is delivered, be it earlier; so these are decoded first, and earlier ones
    only for blocks that fail.
    """
    bits = np.random.default_rng([seed, first, code.bits, code.symbols]).integers(0, 2, (count, code.bits))
    sent = torch.from_numpy(bits.astype(np.float32))
    names = [f"{code.bits} bits, {code.symbols} symbols, block {first + row}" for row in range(count)]
    ratios = []
    for number in range(transmissions):
        seen = channel.transmit(code.modulate(sent, number), snr_db, KeyedDraws(seed, names, channel.name, snr_db, number), "digital")
        ratios.append(code.demodulate(seen.symbols, seen.noise_variance))
    for heard in range(transmissions, 0, -1):
        decided, intact = code.decode(ratios[:heard])
        failed = ~(intact & (decided == sent).all(dim=1))
        sent, ratios = sent[failed], [part[failed] for part in ratios]
        if not len(sent):
            break
    return len(sent)
