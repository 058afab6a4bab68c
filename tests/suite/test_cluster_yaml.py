"""cluster.yaml, read by Ray's own loader, checked by its own schema, and resolved against a list of Amazon's machines."""

import copy
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from moto import mock_aws

from helpers.places import ROOT
from suite.shipping import KEY_LIKE

# Where Ray looks for it.
TOKEN = "~/.ray/auth_token"


@pytest.fixture
def written():
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture
def prepared(written):
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(copy.deepcopy(written))
    validate_config(config)
    return config


def test_it_is_valid_by_rays_own_schema(prepared):
    assert prepared["provider"]["type"] == "aws" and prepared["head_node_type"] in prepared["available_node_types"]


def test_the_schema_would_notice_a_misspelt_key(written):
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import prepare_config, validate_config

    written["idle_timeout_minuts"] = written.pop("idle_timeout_minutes")
    with pytest.raises(ValidationError, match="idle_timeout_minuts"):
        validate_config(prepare_config(written))


def test_machines_have_what_work_asks_for(prepared, monkeypatch):
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        types = AWSNodeProvider.fillout_available_node_types_resources(prepared)["available_node_types"]
    resources = {name: kind["resources"] for name, kind in types.items()}
    assert resources["head"]["CPU"] == 0 and "GPU" not in resources["head"]
    assert resources["gpu"]["GPU"] == 1 and resources["gpu"]["CPU"] >= 8 and resources["gpu"]["accelerator_type:L4"] == 1
    assert resources["editor"]["GPU"] == 1 and resources["editor"]["accelerator_type:H100"] == 1 and resources["editor"]["CPU"] >= 16
    # Weights of 20 billion parameters pass through the memory on their way to the GPU.
    assert resources["editor"]["memory"] > 64e9


def test_workers_come_and_go_by_themselves(prepared):
    workers = {name: kind for name, kind in prepared["available_node_types"].items() if name != prepared["head_node_type"]}
    assert set(workers) == {"gpu", "editor"} and prepared["idle_timeout_minutes"] > 0 and not prepared["provider"]["cache_stopped_nodes"]
    for kind in workers.values():
        assert kind["min_workers"] == 0 and 0 < kind["max_workers"] <= prepared["max_workers"]
        assert kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
        assert kind["node_config"]["IamInstanceProfile"]
    assert "InstanceMarketOptions" not in prepared["available_node_types"]["head"]["node_config"]


def of_project(config):
    """What is copied to the nodes but for the token."""
    return {target: source for target, source in config["file_mounts"].items() if target != TOKEN}


def test_nobody_joins_or_submits_without_the_token(prepared):
    source = prepared["file_mounts"][TOKEN]
    # rsync leaves out what the patterns name, whatever the name it is to have on the node.
    assert source.startswith("~/") and not any(fnmatch(Path(source).name, pattern) for pattern in prepared["rsync_exclude"])
    starts = [*prepared["head_start_ray_commands"], *prepared["worker_start_ray_commands"]]
    begun = [command for command in starts if "ray start" in command]
    assert len(begun) == 2
    for command in begun:
        assert {"RAY_AUTH_MODE=token", "RAY_ENABLE_UV_RUN_RUNTIME_ENV=0"} <= set(command.split())
    # `ray exec` and the driver too.
    assert {"--env RAY_AUTH_MODE=token", "--env RAY_ENABLE_UV_RUN_RUNTIME_ENV=0"} <= set(prepared["docker"]["run_options"])


def test_containers_may_take_less_memory_than_their_machines_have(prepared, monkeypatch):
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    options = {prepared["head_node_type"]: prepared["docker"]["head_run_options"]}
    options |= {
        name: kind["docker"]["worker_run_options"] for name, kind in prepared["available_node_types"].items() if name not in options
    }
    with mock_aws():
        asked = [prepared["available_node_types"][name]["node_config"]["InstanceType"] for name in options]
        told = boto3.client("ec2", region_name="us-west-2").describe_instance_types(InstanceTypes=asked)["InstanceTypes"]
    has = {each["InstanceType"]: each["MemoryInfo"]["SizeInMiB"] / 1024 for each in told}
    for name, given in options.items():
        (memory,) = (int(re.fullmatch(r"--memory=(\d+)g", option).group(1)) for option in given if option.startswith("--memory="))
        size = has[prepared["available_node_types"][name]["node_config"]["InstanceType"]]
        assert 0.8 * size <= memory <= 0.95 * size, f"{name} has {size} GiB and its container may take {memory}"


def test_nodes_run_the_pinned_versions(prepared):
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)
    for image in (prepared["docker"]["head_image"], prepared["docker"]["worker_image"]):
        assert re.fullmatch(rf"rayproject/ray:{re.escape(pinned)}-py311-(cpu|gpu)", image)
    for target, source in of_project(prepared).items():
        assert target == f"~/semcom/{source}" and (ROOT / source).exists()
    for commands in ("head_setup_commands", "worker_setup_commands"):
        assert any("--constraint ~/semcom/constraints.txt" in command for command in prepared[commands])


def test_what_is_large_or_private_is_not_copied_to_the_nodes(prepared):
    mounted = {Path(source).parts[0] for source in of_project(prepared).values()}
    assert mounted >= {"suite", "methods", "benchmarks", "pyproject.toml", "constraints.txt"}
    assert not mounted & {".", ".git", ".venv", "tests"} and "**/__pycache__" in prepared["rsync_exclude"]
    assert [source for source in of_project(prepared).values() if source.startswith("results")] == ["results/reference"]


def test_nothing_that_may_hold_a_key_is_copied_to_the_nodes(prepared):
    assert ".env*" in KEY_LIKE and set(KEY_LIKE) <= set(prepared["rsync_exclude"])
