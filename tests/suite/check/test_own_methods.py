"""The project's own methods keep the contract that others are held to."""

from suite.check import method_checks


@method_checks(
    "deepjscc",
    "swinjscc/sa-ra",
    "gened_sc/full",
    "sgdjscc/default",
    "sgdjscc/both",
    "edited/deepjscc",
    "nam24/default",
    "hosonuma25/default",
    "digital/jpeg",
)
def test_the_projects_methods_keep_the_contract(check):
    check()
