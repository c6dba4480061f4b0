"""Credentials are found by their formats; every string here is made up."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from canonry.redact._mask import Mask
from canonry.redact._secrets import PLUGINS, Expressions, secret_expressions

MASK = Mask(["secret"], {}, ())
A36 = "a1B2c3D4e5F6" * 3

SECRETS = {
    "AKIA" + "ABCDEFGH12345678": "[secret]",
    "aws_secret_access_key = '" + "a1B2c3D4e5" * 4 + "'": "aws_secret_access_key = '[secret]'",
    "postgres://app:hunter@db.internal/x": "postgres://app:[secret]@db.internal/x",
    "ghp_" + A36: "[secret]",
    "github_pat_" + A36: "[secret]",
    "glpat-" + A36[:20]: "[secret]",
    "xoxb-" + "123456789012-abcdefABCDEF": "[secret]",
    "https://hooks.slack.com/services/" + "T00000000/B00000000/a1B2c3": "[secret]",
    "sk-" + "proj-a1B2c3D4e5F6a1B2c3D4": "[secret]",
    "sk-" + "ant-api03-a1B2c3D4e5F6a1B2c3D4": "[secret]",
    "sk_live_" + A36[:24]: "[secret]",
    "SG." + A36[:22] + "." + (A36 + A36)[:43]: "[secret]",
    "npm_" + A36: "[secret]",
    "//registry.npmjs.org/:_authToken=abcDEF": "//registry.npmjs.org/:_authToken=[secret]",
    "hf_" + A36: "[secret]",
    "AIza" + A36[:35]: "[secret]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl": "[secret]",
    "cnr_01jabc_" + A36[:20]: "[secret]",
    "Authorization: Bearer " + A36: "Authorization: Bearer [secret]",
    '{"api-key": "' + A36 + '"}': '{"api-key": "[secret]"}',
    "AccountKey=" + "a1B2" * 22: "[secret]",
    "pypi-" + "AgEIcHlwaS5vcmc" + A36 * 2: "[secret]",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----\nbye": "[secret]\nbye",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn": "[secret]",
}

WORDS = [
    "sk-fading-circle-of-many-dots",
    "Bearer of good news: authentication-required",
    "the authorization: documentation-of-the-thing",
    "APACHESERVERCONFIG AKCENTS",
    "http://example.org:8080/path?x=1@2",
    "a://b and user:name@host",
    "import eyJ; risk-assessment-of-the-thing-2",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "550e8400-e29b-41d4-a716-446655440000",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked_and_what_stands_around_it_is_not(text):
    assert MASK.text(text) == SECRETS[text]
    assert MASK.text(f"é {text}").startswith(f"é {SECRETS[text]}")


@pytest.mark.parametrize("text", WORDS)
def test_what_only_resembles_a_secret_stays(text):
    assert MASK.text(text) is text


def test_every_format_of_the_plugins_is_one_that_linear_time_allows():
    """An upgrade of detect-secrets that brings an expression RE2 cannot run fails here, not in production."""
    expressions = secret_expressions()
    Expressions(expressions)
    plugins = {name: getattr(import_module(f"detect_secrets.plugins.{name}"), each) for name, each in PLUGINS.items()}
    formats = sum(len(plugin.denylist) for plugin in plugins.values())
    left_out = [each.pattern for plugin in plugins.values() for each in plugin.denylist if "(?<=" in each.pattern]
    assert len(left_out) == 2 and all("cloudant" in pattern for pattern in left_out)
    assert len(expressions) >= formats - len(left_out)


def test_nothing_that_reaches_a_network_is_called():
    source = Path("canonry/redact/_secrets.py").read_text()
    assert not re.search(r"\b(?:verify|analyze_\w+|filters|scan)\(", source)
