"""What a test is, and how it says what it expects."""

TIMEOUT = 15
"""Seconds that nothing takes, but on a broken or a very busy machine."""

TESTS = []


def test(function):
    TESTS.append(function)
    return function


def expect(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(part) for part in what) or "not so")


def equal(found, wanted, *context):
    expect(found == wanted, "found", repr(found), "wanted", repr(wanted), *context)
