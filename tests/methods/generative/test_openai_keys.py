"""The key of a server goes to that server and nowhere else, and options are told apart from secrets."""

import json
import logging

import pytest
import torch

from helpers.openai_double import KEY, Fault, captioner, editor
from helpers.openai_double import images as sample_images
from methods.generative import ModelClient
from methods.generative.backends.base import GenerativeOptionsError, check_ready
from methods.generative.response_cache import ResponseCache
from methods.generative.responses import GenerativeError, ModelUnavailableError
from methods.generative.settings import CaptionerSettings

torch.set_num_threads(1)


def test_a_wrong_key_is_told_once_and_never_shown(server, tmp_path, monkeypatch, caplog):
    wrong = "sk-wrong-0123456789abcdef"
    monkeypatch.setenv("LOCAL_KEY", wrong)
    model_client = ModelClient(ResponseCache(tmp_path))
    with caplog.at_level(logging.DEBUG):
        for seed in range(3):
            with pytest.raises(ModelUnavailableError, match=r"the key is not accepted \(401\): Incorrect API key.*\*\*\*") as caught:
                model_client.caption(captioner(server), sample_images(1, seed=seed))
            chain: BaseException | None = caught.value
            while chain is not None:
                assert wrong not in repr(chain) + repr(getattr(chain, "body", ""))
                chain = chain.__cause__ or chain.__context__
    assert len(server.asked) == 1
    assert wrong not in caplog.text and not list(tmp_path.rglob("*"))


def test_the_key_is_in_no_file_log_or_settings(server, tmp_path, caplog):
    server.caption = f"a caption that repeats {KEY}"
    model_client = ModelClient(ResponseCache(tmp_path))
    settings = captioner(server)
    with caplog.at_level(logging.DEBUG):
        assert model_client.caption(settings, sample_images(1)) == ["a caption that repeats ***"]
        model_client.edit(editor(server), sample_images(1), ["a cat"])
        server.faults = [Fault(400, {"detail": f"you sent {KEY}"})]
        with pytest.raises(GenerativeError, match=r"you sent \*\*\*"):
            model_client.edit(editor(server), sample_images(1), ["a dog"])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2 and "HTTP" in caplog.text
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in caplog.text + repr(settings) + settings.model_dump_json() + repr(
        model_client.requests(settings, images=sample_images(1))
    )
    assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in server.asked)


def test_without_a_key_nothing_is_called(server, tmp_path, monkeypatch):
    monkeypatch.delenv("LOCAL_KEY")
    with pytest.raises(ModelUnavailableError, match="LOCAL_KEY holds no key"):
        check_ready(captioner(server))
    with pytest.raises(ModelUnavailableError, match="LOCAL_KEY holds no key"):
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server), sample_images(1))
    monkeypatch.setenv("LOCAL_KEY", "sk-with a space")
    with pytest.raises(ModelUnavailableError, match="LOCAL_KEY has a space"):
        check_ready(captioner(server))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelUnavailableError, match="OPENAI_API_KEY holds no key"):
        check_ready(CaptionerSettings(model="openai:seer-1"))
    assert not server.asked


def test_the_key_of_openai_is_not_sent_to_other_servers(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.key = None
    monkeypatch.setenv("OPENAI_ADMIN_KEY", f"admin-{KEY}")
    settings = captioner(server, api_key_env=None)
    check_ready(settings)
    assert ModelClient(ResponseCache(tmp_path)).caption(settings, sample_images(1))[0].startswith("an image")
    server.as_url = "files/one.png"
    ModelClient(ResponseCache(tmp_path)).edit(editor(server, api_key_env=None), sample_images(1), ["a cat"])
    assert len(server.asked) == 3 and not [each for each in server.asked if KEY in json.dumps(each.headers)]


@pytest.mark.parametrize(
    ("options", "reached", "words"),
    [
        ({"detial": "low"}, {}, r"options of openai:seer-1: unknown key 'detial'\. Did you mean 'detail'\?"),
        ({"temperature": -1}, {}, "'temperature': input should be greater"),
        ({}, {"api_key": KEY}, r"access to openai:seer-1: unknown key 'api_key'\. Did you mean 'api_key_env'\?"),
        ({}, {"base_url": "http://host:99999/v1"}, "'base_url': .*[Pp]ort"),
        ({}, {"base_url": "localhost:8000/v1"}, "'base_url': .*must be an address"),
        ({}, {"base_url": f"http://me:{KEY}@host/v1"}, "'base_url': .*must hold no user name"),
    ],
)
def test_wrong_options_are_told_without_their_values(options, reached, words):
    with pytest.raises(GenerativeOptionsError, match=words) as caught:
        check_ready(CaptionerSettings(model="openai:seer-1", options=options, access=reached))
    assert KEY not in str(caught.value) and caught.value.__context__ is None
