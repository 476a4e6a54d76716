"""The error tree survives the way back from a worker process."""

import pickle

import pytest

from aggregator import errors

CLASSES = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.AggregatorError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_pickles_with_its_message_and_code(kind: type[errors.AggregatorError]) -> None:
    error = kind("what happened", code="why")

    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), str(copy), copy.code) == (kind, "what happened", "why")


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_code_and_may_be_raised_bare(kind: type[errors.AggregatorError]) -> None:
    assert kind().code
