"""Channel code and modulation of the digital stream against closed forms and Sionna's own simulation."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact, norm

from benchmarks.link.channels import AWGN, RAYLEIGH
from benchmarks.link.digital.codec import block_code
from benchmarks.link.digital.framing import MAX_BLOCK_BYTES, blocks_of, header_bits, layout, payload_of, payload_symbols
from benchmarks.link.digital.mcs import DEFAULT_TABLE, load
from benchmarks.link.digital.measure import LADDER
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.trials import blocks_lost
from benchmarks.link.draws import KeyedDraws

PAPER = Scheme.of("16qam", 0.5)


def q_mean(b: float, snr: float, fading: bool) -> float:
    """E[Q(sqrt(b |h|^2 snr))], h = 1 or CN(0, 1)."""
    return 0.5 * (1 - math.sqrt(b * snr / (2 + b * snr))) if fading else float(norm.sf(math.sqrt(b * snr)))


def closed_form(modulation: str, snr: float, fading: bool) -> float:
    if modulation == "qpsk":
        return q_mean(1.0, snr, fading)
    return sum(weight * q_mean(b, snr, fading) for weight, b in ((0.75, 1 / 5), (0.5, 9 / 5), (-0.25, 5.0)))


@pytest.mark.parametrize("channel", [AWGN, RAYLEIGH], ids=lambda channel: channel.name)
@pytest.mark.parametrize(("modulation", "snr_db"), [("qpsk", 4.0), ("qpsk", 7.0), ("16qam", 7.0), ("16qam", 10.0), ("16qam", 13.0)])
def test_uncoded_bit_error_rate_agrees_with_the_closed_form(channel, modulation, snr_db):
    code = block_code(848, Scheme.of(modulation, 0.5), 50)
    bits = torch.from_numpy(np.random.default_rng(3).integers(0, 2, (150, 848)).astype(np.float32))
    symbols = code.modulate(bits)
    sent = code.demodulate(symbols, torch.full(symbols.shape, 1e-3)) > 0
    seen = channel.transmit(symbols, snr_db, KeyedDraws(5, [str(row) for row in range(150)], channel.name, snr_db, 0), "digital")
    wrong = ((code.demodulate(seen.symbols, seen.noise_variance) > 0) != sent).double().mean(dim=1)
    error = float(wrong.std()) / math.sqrt(len(wrong))
    assert abs(float(wrong.mean()) - closed_form(modulation, 10 ** (snr_db / 10), channel is RAYLEIGH)) < 4.5 * error


def sionna_blocks_lost(scheme: Scheme, bits: int, snr_db: float, blocks: int, seed: int) -> int:
    """Sionna's own chain and its own noise, no line of the project's code."""
    with torch.random.fork_rng():
        from sionna.phy import config
        from sionna.phy.channel import AWGN as SionnaAWGN
        from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
        from sionna.phy.mapping import BinarySource, Demapper, Mapper
        from sionna.phy.utils import sim_ber

        config.seed = seed
        m = {"qpsk": 2, "16qam": 4, "64qam": 6}[scheme.modulation]
        n = math.ceil(bits / scheme.code_rate / m) * m
        encoder = LDPC5GEncoder(bits, n, num_bits_per_symbol=m, device="cpu")
        decoder = LDPC5GDecoder(encoder, num_iter=50, device="cpu")
        source, mapper, demapper = BinarySource(device="cpu"), Mapper("qam", m, device="cpu"), Demapper("app", "qam", m, device="cpu")
        link_provider = SionnaAWGN(device="cpu")

        def simulate(batch_size, ebno_db):
            no = torch.tensor(10 ** (-snr_db / 10))
            sent = source([batch_size, bits])
            with torch.no_grad():
                return sent, decoder(demapper(link_provider(mapper(encoder(sent)), no), no))

        _, bler = sim_ber(simulate, [0.0], batch_size=20, max_mc_iter=blocks // 20, early_stop=False, verbose=False, device="cpu")
    return round(float(bler[0]) * blocks)


def compare_with_sionna(modulation: str, rate: str, size: int, blocks: int) -> None:
    scheme = Scheme(modulation, Fraction(rate))
    (curve,) = (curve for curve in load(DEFAULT_TABLE).channel("awgn").curves if curve.scheme == scheme and curve.payload_bytes == size)
    threshold = curve.threshold_db(1e-2)
    code = block_code(8 * size, scheme, 50)
    for step, snr_db in enumerate((threshold - 1.0, threshold - 0.5, threshold)):
        ours = blocks_lost(code, AWGN, snr_db, 1, 11, 0, blocks)
        theirs = sionna_blocks_lost(scheme, 8 * size + 24, snr_db, blocks, seed=100 + step)
        assert fisher_exact([[ours, blocks - ours], [theirs, blocks - theirs]]).pvalue > 1e-4, (scheme, snr_db, ours, theirs)


@pytest.mark.parametrize(("modulation", "rate"), [("qpsk", "1/2"), ("16qam", "1/2"), ("64qam", "3/4")])
def test_block_error_rate_agrees_with_sionna(modulation, rate):
    compare_with_sionna(modulation, rate, size=32, blocks=100)


@pytest.mark.slow
@pytest.mark.parametrize(("modulation", "rate"), LADDER)
def test_block_error_rate_of_every_scheme_agrees_with_sionna(modulation, rate):
    compare_with_sionna(modulation, rate, size=106, blocks=400)


@pytest.mark.parametrize(
    ("channel", "snr_db", "reliable"),
    [(AWGN, 1.0, False), (AWGN, 4.0, False), (AWGN, 7.0, True), (AWGN, 10.0, True), (RAYLEIGH, 4.0, False), (RAYLEIGH, 10.0, True)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_where_the_papers_scheme_fails_and_where_it_holds(channel, snr_db, reliable):
    lost = blocks_lost(block_code(848, PAPER, 50), channel, snr_db, 1, 2, 0, 60)
    assert lost <= 2 if reliable else lost == 60


@pytest.mark.parametrize("channel", [AWGN, RAYLEIGH], ids=lambda channel: channel.name)
@pytest.mark.parametrize("snr_db", [1.0, 4.0, 7.0, 10.0])
def test_the_adaptive_choice_holds_for_captions(channel, snr_db):
    scheme = load(DEFAULT_TABLE).choose(channel.name, snr_db, 106, 1e-2)
    assert blocks_lost(block_code(848, scheme, 50), channel, snr_db, 1, 3, 0, 100) <= 5


def test_decoded_bits_do_not_depend_on_the_batch():
    code = block_code(848, PAPER, 50)
    bits = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (60, 848)).astype(np.float32))
    symbols = code.modulate(bits)
    seen = AWGN.transmit(symbols, 6.2, KeyedDraws(1, [str(row) for row in range(60)], "awgn", 6.2, 0), "digital")
    ratios = code.demodulate(seen.symbols, seen.noise_variance)
    whole, intact = code.decode([ratios])
    assert 0 < int(intact.sum()) < 60
    for size in (1, 7, 32):
        parts = [code.decode([part]) for part in ratios.split(size)]
        assert torch.equal(torch.cat([part[0] for part in parts]), whole)
        assert torch.equal(torch.cat([part[1] for part in parts]), intact)


def test_leaving_early_changes_nothing():
    code = block_code(848, PAPER, 50)
    bits = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (20, 848)).astype(np.float32))
    seen = AWGN.transmit(code.modulate(bits), 6.5, KeyedDraws(1, [str(row) for row in range(20)], "awgn", 6.5, 0), "digital")
    ratios = code.demodulate(seen.symbols, seen.noise_variance)
    straight, _ = code._decoder(ratios, num_iter=50)
    assert torch.equal(code.decode([ratios])[0], straight[:, :848])


@pytest.mark.parametrize(
    ("scheme", "bits", "combines"),
    [(PAPER, 848, False), (Scheme.of("qpsk", "1/3"), 1500, False), (Scheme.of("64qam", "5/6"), 3000, False), (PAPER, 360, True)],
    ids=str,
)
@pytest.mark.parametrize("snr_db", [2.0, 6.5, 16.0])
def test_every_message_of_the_decoder_is_the_same_float_as_sionnas(scheme, bits, combines, snr_db):
    from sionna.phy.fec.ldpc import LDPC5GDecoder

    code = block_code(bits, scheme, 50, combines=combines)
    sent = torch.from_numpy(np.random.default_rng(4).integers(0, 2, (8, bits)).astype(np.float32))
    seen = AWGN.transmit(code.modulate(sent), snr_db, KeyedDraws(1, [str(row) for row in range(8)], "awgn", snr_db, 0), "digital")
    ratios = code.demodulate(seen.symbols, seen.noise_variance)
    theirs = LDPC5GDecoder(code._encoder, cn_update="boxplus-phi", return_state=True, harq_mode=combines, device="cpu")
    heard, versions = (ratios[:, None], {"rv": [0]}) if combines else (ratios, {})
    with torch.no_grad():
        for iterations in (1, 7):
            (bits_here, state_here), (bits, state) = (each(heard, num_iter=iterations, **versions) for each in (code._decoder, theirs))
            assert torch.equal(bits_here, bits)
            assert torch.equal(state_here, state)


def test_importing_sionna_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    block_code.cache_clear()
    block_code(80, PAPER, 10)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("length", [1, 106, MAX_BLOCK_BYTES, MAX_BLOCK_BYTES + 1, 4096, 40_000])
def test_segments_fit_the_code_and_come_together_again(length):
    payload = np.random.default_rng(length).bytes(length)
    blocks, size = layout(length, PAPER)
    assert size <= MAX_BLOCK_BYTES and 0 <= blocks * size - length < blocks
    assert payload_of(blocks_of(payload, PAPER), length) == payload
    assert payload_symbols(length, PAPER) == blocks * math.ceil((8 * size + 24) / 2)


def test_a_header_writes_its_fields_most_significant_bit_first():
    assert header_bits([(5, 4), (3, 2)]).tolist() == [0, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("rate", ["1/5", "3/10", "1/3", "2/5", "1/2", "5/6"])
@pytest.mark.parametrize("length", [474, 475, 476, 1053, 1054, 2000])
def test_every_rate_carries_every_length(rate: str, length: int) -> None:
    scheme = Scheme("qpsk", Fraction(rate))
    blocks, size = layout(length, scheme)
    code = block_code(8 * size, scheme, 5)
    assert blocks * code.symbols == payload_symbols(length, scheme)
    assert code.modulate(torch.zeros(1, 8 * size)).shape[1] == code.symbols
