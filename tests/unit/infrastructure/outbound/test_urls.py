from __future__ import annotations

import pytest

from infrastructure.outbound.urls import host_of, is_under, plain_url, port_of


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://files.example/a?b=c", "files.example", 443),
        ("https://FILES.example:8443", "files.example", 8443),
        ("http://files.example/", "files.example", 80),
        ("https://a_b.example/", "a_b.example", 443),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://a。b.example/", "a.b.example", 443),
        ("https://93.184.216.34/", "93.184.216.34", 443),
        ("https://[2606:2800:220:1::1]:8443/", "2606:2800:220:1::1", 8443),
    ],
)
def test_what_can_be_called(text: str, host: str, port: int) -> None:
    url = plain_url(text)

    assert (host_of(url), port_of(url)) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "files.example",
        "//files.example/",
        " https://files.example/",
        "https:files.example",
        "https:///a",
        "ftp://files.example/",
        "file:///etc/passwd",
        "gopher://files.example/",
        "javascript:alert(1)",
        "https://user@files.example/",
        "https://user:secret@files.example/",
        "https://files.example@evil.example/",
        "https://files.example\\@evil.example/",
        "https://files.example/#a",
        "https://files.example:0/",
        "https://files.example:65536/",
        "https://files.example:-1/",
        "https://files.example:https/",
        "https://files.example./",
        "https://.files.example/",
        "https://files..example/",
        "https://%66iles.example/",
        "https://files.example%00.evil.example/",
        "https://-files.example/",
        "https://☃.example/",
        "https://\uff46iles.example/",
        "https://files.example/\r\nx: y",
        "https://files.example/\x00",
        "https://files.example\t/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        f"https://{'x' * 64}.example/",
        f"https://{'x.' * 125}example/",
        "https://files.example/" + "x" * 70_000,
    ],
)
def test_what_cannot(text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is looked at
        plain_url(text)

    assert "files" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "pattern", "under"),
    [
        ("a.files.example", "*.files.example", True),
        ("a.b.files.example", "*.files.example", True),
        ("files.example", "*.files.example", False),
        ("nofiles.example", "*.files.example", False),
        ("files.example", "*.example", False),
        ("files.example", "*.", False),
        ("files.example", "files.example", False),
        ("files.example.evil.example", "*.files.example", False),
    ],
)
def test_names_under_a_domain(host: str, pattern: str, under: bool) -> None:
    assert is_under(host, pattern) is under
