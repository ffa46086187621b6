"""Texts that try to leave the place where a page shows them."""

from __future__ import annotations

HOSTILE_TEXTS = {
    "script": "<script>document.title = 'taken'; alert(1)</script>",
    "end of script": '</script><script>alert(1)</script><img src="https://example.org/a" onerror="alert(1)">',
    "comment": "<!-- <script> --> <!--<script>",
    "attributes": '" onmouseover="alert(1)" style="position:fixed" x=\'',
    "template": "{{ 7 * 7 }}{% raw %}{{ ''.__class__ }}${7 * 7}`",
    "link": "javascript:alert(1)",
    "style": "</style><style>body { display: none }</style><link rel=stylesheet href=https://example.org/a>",
    "frames": "<iframe src=https://example.org></iframe><base href=//example.org><meta http-equiv=refresh>",
    "svg": "</title></svg><svg onload=alert(1)><foreignObject><body onload=alert(1)>",
    "bidi": "admin\u202e \u2066// if admin\u2069 \u2066 \u200f\u061c",
    "separators": "a\u2028b\u2029c\x85d\x0ce\x0bf",
    "null": "a\x00b\x00</textarea>\x00",
    "controls": "\x1b[2J\x1b]0;taken\x07\x9b31m\r\nback\rover\x08\x08",
    "surrogates": "\udc80\ud800 \ufffe\U000e0001",
    "long line": "x" * 300_000,
    "long word in markup": "<" * 50_000,
    "many lines": "y\n" * 60_000,
    "combining": "Z\u0351\u0343" * 4000,
    "entities": "&lt;script&gt; &amp;&#x3c;script&#x3e; &quot;",
    "empty": "",
}
"""By what they try."""
