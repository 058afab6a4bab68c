"""The job for Kubernetes: of KubeRay's published fields, with a token at the door, and going on where it was lost."""

import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from helpers.places import ROOT

SCHEMA = json.loads((Path(__file__).parent / "rayjob.schema.json").read_text())


@pytest.fixture
def job():
    return yaml.safe_load((ROOT / "suite" / "cluster" / "rayjob.yaml").read_text())


def test_it_has_the_operators_fields_and_no_others(job):
    jsonschema.validate(job, SCHEMA)


@pytest.mark.parametrize(
    "path",
    [("spec", "backofLimit"), ("spec", "rayClusterSpec", "authOption"), ("spec", "rayClusterSpec", "headGroupSpec", "rayStartParam")],
)
def test_a_misspelt_field_would_be_noticed(job, path):
    wrong = copy.deepcopy(job)
    section = wrong
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = {}
    with pytest.raises(jsonschema.ValidationError, match=path[-1]):
        jsonschema.validate(wrong, SCHEMA)


def test_numbers_that_the_operator_takes_as_texts_are_texts(job):
    wrong = copy.deepcopy(job)
    wrong["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_it_asks_for_a_token_resumes_and_goes_when_it_is_done(job):
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token", "secretName": "semcom-token"}
    assert cluster["autoscalerOptions"]["version"] == "v2" and cluster["enableInTreeAutoscaling"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["backoffLimit"] > 0 and spec["shutdownAfterJobFinishes"] and "--out s3://" in spec["entrypoint"]
    assert all(group["minReplicas"] == 0 for group in cluster["workerGroupSpecs"])
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE).group(1)
    assert cluster["rayVersion"] == pinned and f"rayproject/ray:{pinned}-" in (ROOT / "suite/cluster/rayjob.yaml").read_text()
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        # What Ray counts on is what the scheduler keeps for it.
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"name": "RAY_ENABLE_UV_RUN_RUNTIME_ENV", "value": "0"} in container["env"]


def test_the_page_names_it():
    assert "(cluster/rayjob.yaml)" in (ROOT / "suite" / "SCALE.md").read_text()
