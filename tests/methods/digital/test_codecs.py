"""The classical baseline: its files fill the budget, come back, and are lost as stated."""

import importlib.util
import itertools
import stat
import sys
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.link.digital.offers import Offer
from benchmarks.link.digital.scheme import Scheme
from methods.base import Geometry, OperatingPoint, Received
from methods.digital import OUTAGE_GREY, Codec, Digital, DigitalSettings
from methods.digital.codec import UndecodableFileError
from methods.digital.codecs import make_codecs
from methods.digital.search import FileStream, ImageFiles, step_sizes
from methods.errors import MissingAssetError, RateError
from methods.registry import METHODS

PILLOW = ("jpeg", "webp", "avif", "jpeg2000")
SIDE = 96
QPSK, QAM = Scheme.of("qpsk", 0.5), Scheme.of("16qam", 0.5)


def sample_image(name: str = "astronaut", size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    return Image.fromarray(getattr(data, name)()).convert("RGB").resize(size, Image.Resampling.LANCZOS)


def tensor(*images: Image.Image) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 for image in images])


def method(height: int = SIDE, width: int = SIDE, cr: Fraction = Fraction(1, 4), **settings: object) -> Digital:
    return Digital(DigitalSettings.model_validate(settings), Geometry(height, width, cr))


def point(bytes_allowed: int, cr: Fraction = Fraction(1, 4)) -> OperatingPoint:
    return OperatingPoint(cr, 4.0, "awgn", choices=lambda symbols, protection: (Offer(QPSK, bytes_allowed),))


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(-10 * torch.log10((first - second).square().mean()))


@pytest.mark.parametrize("downscale", ["best", "needed"])
@pytest.mark.parametrize(("codec", "strip"), [(name, strip) for name in PILLOW for strip in (False, True)])
def test_the_file_fits_and_the_next_level_does_not(codec: str, strip: bool, downscale: str) -> None:
    stream = FileStream(make_codecs(codec, strip), (SIDE, SIDE), strip)
    for name, limit in (("astronaut", 700), ("coffee", 1500)):
        image = sample_image(name)
        fitted = ImageFiles(stream, image, 128).fit(limit, downscale)
        small = image if fitted.step == 0 else image.resize(stream.sizes[fitted.step], Image.Resampling.LANCZOS)
        assert stream.pack(small, fitted.way, fitted.step, fitted.level) == fitted.message
        assert len(fitted.message) <= limit
        assert fitted.error == np.mean(np.square(np.asarray(image, float) - np.asarray(stream.unpack(fitted.message), float)))
        if fitted.level != stream.codecs[fitted.way].levels[-1]:
            assert len(stream.pack(small, fitted.way, fitted.step, fitted.level + 1)) > limit


@pytest.mark.parametrize("codec", PILLOW)
def test_more_bytes_never_look_worse(codec: str) -> None:
    coder, original = method(codec=codec), tensor(sample_image())
    qualities = []
    for limit in (500, 1000, 2000, 4000):
        sent = coder.encode(original, point(limit), None)
        assert sent.analog is None and not sent.text and len(sent.digital[0]) <= limit
        qualities.append(psnr(coder.decode(Received(digital=sent.digital, intact=[True]), point(limit)), original))
    assert qualities == sorted(qualities) and qualities[-1] > qualities[0] + 3.0


def test_the_budget_is_asked_of_the_link() -> None:
    asked: list[int] = []

    def offers(symbols: int, protection: str | None) -> tuple[Offer, ...]:
        asked.append(symbols)
        assert protection == "ldpc"
        return (Offer(QAM, symbols // 4),)

    coder = method(cr=Fraction(1, 6), protection="ldpc")
    sent = coder.encode(tensor(sample_image()), OperatingPoint(Fraction(1, 6), 1.0, "awgn", choices=offers), None)
    assert sent.coding_mode == "ldpc" and sent.schemes == [QAM]
    assert asked == [SIDE * SIDE * 3 // 6]
    assert len(sent.digital[0]) <= SIDE * SIDE * 3 // 24


def chosen(*offers: Offer) -> tuple[Scheme, int]:
    """Return the scheme and the bytes of what a sender makes of offers."""
    at = OperatingPoint(Fraction(1, 4), 4.0, "awgn", choices=lambda symbols, protection: offers)
    sent = method(codec="webp").encode(tensor(sample_image()), at, None)
    return sent.schemes[0], len(sent.digital[0])


def test_the_scheme_of_the_best_expectation_is_chosen() -> None:
    """Twice the bytes are worth a loss of one in a hundred, not of one in three; 1 % more bytes are worth none."""
    assert chosen(Offer(QPSK, 800, 1.0), Offer(QAM, 1600, 0.99))[0] == QAM
    assert chosen(Offer(QPSK, 800, 1.0), Offer(QAM, 1600, 0.67))[0] == QPSK
    assert chosen(Offer(QPSK, 800, 1.0), Offer(QAM, 808, 0.9))[0] == QPSK
    scheme, size = chosen(Offer(QPSK, 12, 1.0), Offer(QAM, 1600, 0.2))
    assert scheme == QAM and size > 800


def test_without_an_offer_there_is_no_file() -> None:
    with pytest.raises(RateError, match=r"symbols carry no file on awgn at 4 dB"):
        chosen()


@pytest.mark.parametrize("codec", PILLOW)
def test_a_row_does_not_depend_on_its_batch_mates_and_repeats(codec: str) -> None:
    coder, batch = method(codec=codec), tensor(sample_image(), sample_image("coffee"), sample_image("chelsea"))
    together = coder.encode(batch, point(900), None).digital
    assert [coder.encode(image[None], point(900), None).digital[0] for image in batch] == list(together)
    shown = coder.decode(Received(digital=together, intact=[True, False, True]), point(900))
    assert torch.equal(shown[2], coder.decode(Received(digital=together[2:], intact=[True]), point(900))[0])
    assert bool((shown[1] == OUTAGE_GREY).all())


@pytest.mark.parametrize("size", [(96, 64), (33, 47), (128, 20)])
@pytest.mark.parametrize(("codec", "strip"), [(name, strip) for name in PILLOW for strip in (False, True)])
def test_any_shape_comes_back(codec: str, strip: bool, size: tuple[int, int]) -> None:
    width, height = size
    coder, original = method(height, width, codec=codec, strip_headers=strip), tensor(sample_image(size=size))
    shown = coder.decode(Received(digital=coder.encode(original, point(2000), None).digital, intact=[True]), point(2000))
    assert shown.shape == (1, 3, height, width) and shown.dtype == torch.float32
    assert float(shown.min()) >= 0.0 and float(shown.max()) <= 1.0
    assert psnr(shown, original) > 18.0


@pytest.mark.parametrize("codec", PILLOW)
def test_agreed_headers_save_bytes_and_lose_no_pixel(codec: str) -> None:
    """The body behind a rebuilt header decodes as the whole file does, whatever is in the picture."""
    for coder in make_codecs(codec, agreed_headers=True):
        level = coder.levels[len(coder.levels) // 3]
        for name, size in (("astronaut", (SIDE, SIDE)), ("coffee", (61, 48)), ("chelsea", (7, 5))):
            file = coder.encode(sample_image(name, size), level)
            body = coder.strip(file)
            assert len(body) < len(file) - 15
            assert np.array_equal(coder.decode(coder.restore(body, size, level), size), coder.decode(file, size))


def test_agreed_headers_carry_an_image_where_whole_files_do_not() -> None:
    with pytest.raises(RateError, match=r"smallest has \d+"):
        method(codec="jpeg", strip_headers=False).encode(tensor(sample_image()), point(200), None)
    coder, original = method(codec="jpeg", strip_headers=True), tensor(sample_image())
    shown = coder.decode(Received(digital=coder.encode(original, point(200), None).digital), point(200))
    assert psnr(shown, original) > psnr(torch.full_like(original, OUTAGE_GREY), original)


@pytest.mark.parametrize("codec", PILLOW)
def test_an_impossible_budget_is_an_error_that_names_both_numbers(codec: str) -> None:
    with pytest.raises(RateError, match=r"5 bytes are too few .* smallest has \d+"):
        method(codec=codec).encode(tensor(sample_image()), point(5), None)


def test_shrinking_serves_where_the_full_size_cannot() -> None:
    original = tensor(sample_image(size=(192, 192)))
    with pytest.raises(RateError):
        method(192, 192, codec="webp", downscale="never").encode(original, point(300), None)
    shown = {}
    for downscale in ("needed", "best"):
        coder = method(192, 192, codec="webp", downscale=downscale)
        shown[downscale] = psnr(coder.decode(Received(digital=coder.encode(original, point(300), None).digital), point(300)), original)
    assert shown["best"] >= shown["needed"] > 12.0


def test_best_is_never_worse_than_needed() -> None:
    for codec in PILLOW:
        original = tensor(sample_image("coffee"))
        found = []
        for downscale in ("needed", "best"):
            coder = method(codec=codec, downscale=downscale)
            sent = coder.encode(original, point(800), None)
            found.append(psnr(coder.decode(Received(digital=sent.digital), point(800)), original))
        assert found[1] >= found[0]


@pytest.mark.parametrize(("codec", "strip"), [(name, strip) for name in PILLOW for strip in (False, True)])
def test_damage_shows_something_and_raises_nothing(codec: str, strip: bool) -> None:
    coder = method(codec=codec, strip_headers=strip)
    sent = coder.encode(tensor(sample_image()), point(900), None).digital[0]
    generator = np.random.default_rng(0)
    broken = [sent[:cut] for cut in (0, 1, 2, 3, 20, len(sent) // 2, len(sent) - 1)] + [b"\0" * 64, generator.bytes(len(sent)), sent * 3]
    for _ in range(60):
        flipped = bytearray(sent)
        for place in generator.integers(len(sent), size=generator.integers(1, 6)):
            flipped[place] ^= 1 << int(generator.integers(8))
        broken.append(bytes(flipped))
    shown = coder.decode(Received(digital=broken), point(900))
    assert shown.shape == (len(broken), 3, SIDE, SIDE) and bool(torch.isfinite(shown).all())
    assert bool((shown[:3] == OUTAGE_GREY).all())


def test_outage_is_grey() -> None:
    coder = method(codec="webp")
    sent = coder.encode(tensor(sample_image()), point(900), None).digital[0]
    shown = coder.decode(Received(digital=[None, b"", sent, sent], intact=[False, True, False, True]), point(900))
    assert bool((shown[:3] == OUTAGE_GREY).all())
    assert not bool((shown[3] == OUTAGE_GREY).all())


def test_a_file_that_claims_another_size_is_not_decoded() -> None:
    codec = make_codecs("jpeg", False)[0]
    with pytest.raises(UndecodableFileError, match="at most"):
        codec.decode(codec.encode(sample_image(size=(97, 96)), 50), (96, 96))


def test_two_steps_halve_the_pixels() -> None:
    sizes = step_sizes((256, 128))
    assert sizes[0] == (256, 128) and sizes[2] == (181, 91) and sizes[4] == (128, 64) and sizes[-1] == (1, 1)
    assert all(first[0] * first[1] > second[0] * second[1] for first, second in itertools.pairwise(sizes))


def test_registration_traits_and_settings() -> None:
    assert METHODS.get("digital") is Digital
    assert next(iter(Digital.variants)) == "jpeg"
    assert {values["codec"] for values in Digital.variants.values()} == set(get_args(Codec))
    traits = Digital.traits(DigitalSettings())
    assert traits.uses_snr_at_sender and traits.digital_in_budget and not traits.trainable and traits.rates == "variable"
    assert traits.chooses_schemes


@pytest.mark.parametrize(("codec", "library"), [("hevc", "pillow_heif"), ("jpegxl", "imagecodecs")])
def test_a_codec_of_the_extra_comes_back_or_says_what_to_install(codec: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec(library) is not None:
        coder, original = method(codec=codec), tensor(sample_image())
        sent = coder.encode(original, point(900), None).digital
        assert 800 < len(sent[0]) <= 900
        assert psnr(coder.decode(Received(digital=sent), point(900)), original) > 20.0
        for extra in make_codecs(codec, True):
            file = extra.encode(sample_image("coffee", (61, 48)), extra.levels[20])
            assert extra.restore(extra.strip(file), (61, 48), extra.levels[20]) == file
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingAssetError, match=f"install it with pip install {library.replace('_', '-')}"):
        method(codec=codec)


def test_hevc_is_not_asked_for_images_that_x265_cannot_open() -> None:
    """A budget that nothing fits ends in a sentence, however small the image would have to be made."""
    pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8))
    files = ImageFiles(FileStream(make_codecs("hevc", True), (48, 48), True), noise, 128)
    with pytest.raises(RateError, match="3 bytes are too few for a hevc file"):
        files.fit(3, "best")
    tiny = ImageFiles(FileStream(make_codecs("hevc", True), (16, 16), True), noise.resize((16, 16)), 128)
    with pytest.raises(RateError, match="codes no image below 32 x 32 pixels, and this one is 16 x 16"):
        tiny.fit(500, "best")


def test_an_avif_file_is_sent_without_its_container() -> None:
    for coder in make_codecs("avif", agreed_headers=True):
        file = coder.encode(sample_image(), 30)
        body = coder.strip(file)
        assert file.endswith(body) and len(file) - len(body) > 280
        assert coder.restore(body, (SIDE, SIDE), 30) == file


def test_chroma_is_kept_whole_where_that_is_nearer_to_the_image() -> None:
    """Stripes of one brightness in two colours: with chroma at half the resolution they are lost at any rate."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (200, 60, 60), (38, 140, 60)
    files = ImageFiles(FileStream(make_codecs("avif", True), (64, 64), True), Image.fromarray(pixels), 128)
    assert files.fit(600, "never").way == 1


@pytest.mark.parametrize("codec", PILLOW)
def test_a_budget_is_filled(codec: str) -> None:
    """What is left over is less than what the steps between two levels cost at the worst."""
    files = ImageFiles(FileStream(make_codecs(codec, True), (SIDE, SIDE), True), sample_image("coffee"), 128)
    shares = [len(files.fit(limit, "best").message) / limit for limit in (500, 800, 1100)]
    assert sum(shares) / len(shares) > 0.96


def test_bpg_is_missing_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingAssetError, match="libbpg"):
        method(codec="bpg")


def test_a_pillow_without_a_codec_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    with pytest.raises(MissingAssetError, match="avif"):
        method(codec="avif")


TOOL = """#!{python}
import sys
from PIL import Image
arguments = sys.argv[1:]
target, source = arguments[arguments.index("-o") + 1], arguments[-1]
try:
    image = Image.open(source)
    if {encodes}:
        image.save(target, "WEBP", quality=int(100 * (51 - int(arguments[arguments.index("-q") + 1])) / 51))
    else:
        image.save(target, "PNG")
except OSError as error:
    sys.exit(str(error))
"""


def test_bpg_runs_its_binaries(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins with the command line of libbpg 0.9.8: -q quantiser, -o output, input last."""
    for tool in ("bpgenc", "bpgdec"):
        path = tmp_path / tool
        path.write_text(TOOL.format(python=sys.executable, encodes=tool == "bpgenc"))
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path))
    coder, original = method(codec="bpg", downscale="never", strip_headers=False), tensor(sample_image())
    sent = coder.encode(original, point(1500), None).digital
    assert len(sent[0]) <= 1500
    assert psnr(coder.decode(Received(digital=sent, intact=[True]), point(1500)), original) > 20.0
    assert bool((coder.decode(Received(digital=[sent[0][:40], b"x"]), point(1500)) == OUTAGE_GREY).all())
