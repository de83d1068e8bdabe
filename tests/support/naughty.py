"""Strings that break programs: over 500 of them, each different, by what they break."""

# ruff: noqa: E501 - text that runs in other directions breaks no line well

from __future__ import annotations

import unicodedata

_CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
_SPACES = [chr(c) for c in range(0x10000) if unicodedata.category(chr(c)) in ("Zs", "Zl", "Zp")]
_HIDDEN = [
    chr(c)
    for c in (0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F),
              *range(0x2060, 0x2070), 0x3164, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, *range(0xFFF9, 0xFFFC), 0xE0001, 0xE0041)
]  # fmt: skip
_SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff", "\ud83d", "a\udc80b"]
#: One letter of every script and symbol block: the first assigned character of each block of 128.
_BLOCKS = [
    next(chr(c) for c in range(start, start + 128) if unicodedata.category(chr(c))[0] in "LMNPS")
    for start in range(0x80, 0x20000, 128)
    if any(unicodedata.category(chr(c))[0] in "LMNPS" for c in range(start, start + 128))
]
_WORDS = [
    "undefined", "undef", "null", "NULL", "(null)", "nil", "NIL", "true", "false", "True", "None", "hasOwnProperty",
    "then", "constructor", "__proto__", "\\", "\\\\", "0", "1", "1.00", "$1.00", "1/2", "1E2", "1E02", "1E+02", "-1",
    "-1.00", "-$1.00", "0/0", "-2147483648/-1", "-9223372036854775808/-1", "-0", "-0.0", "+0", "0.00", "0..0", ".",
    "0.0.0", "0,00", "0,,0", ",", "0,0,0", "0.0/0", "1.0/0.0", "--1", "-", "-.", "-,", "9" * 96, "NaN", "Infinity",
    "-Infinity", "INF", "1#INF", "-1#IND", "1#QNAN", "0x0", "0xffffffff", "0xabad1dea", "1_000", "1 000", "08", "09",
    "2.2250738585072011e-308", "01000", "CON", "PRN", "AUX", "NUL", "COM1", "LPT1", "A:", "ZZ:", "%", "%s", "%d", "%n",
    "%x%x%x", "%00", "%0d%0a", "%c0%af", "%252e", "{0}", "{}", "{{}}", "${x}", "#{x}", "{{7*7}}", "<%= 7*7 %>",
    "{% raw %}", "${jndi:ldap://127.0.0.1/a}", "$HOME", "`id`", "$(id)", "; ls", "| id", "& id", "&& id", "|| id",
]  # fmt: skip
_SQL = [
    "'", "''", "'''", '"', '""', "`", "--", "/*", "*/", ";", "1;DROP TABLE users", "1'; DROP TABLE users-- 1",
    "' OR 1=1 -- 1", "' OR '1'='1", "'; EXEC sp_MSForEachTable 'DROP TABLE ?'; --", "%_", "_", "\\'", "admin'--",
    "') or ('a'='a", "1) or pg_sleep(1)--", "||pg_sleep(1)--", "$$;drop table x;$$", "E'\\x00'", "U&'\\0000'", "\\N",
    "\\.", "\\x", "x' and '1'='2", ":name", "%(name)s", "?", "$1", "cast(1 as text)",
]  # fmt: skip
_LDAP = [
    "*",
    "*)(uid=*))(|(uid=*",
    ")(",
    "(&)",
    "cn=a,dc=b",
    "a\\2ab",
    "dn: x",
    "# x",
    "::",
    "=a=",
    "uid=a+cn=b",
    "<file:///etc/passwd",
]
_PATHS = [
    "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/dev/null; touch x; echo", "file:///etc/passwd", "C:\\",
    "//host/share", "~root", ".", "..", "...", "a/b", "a\\b", "/", "\\\\?\\", "x" + "/.." * 30,
]  # fmt: skip
_FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://127.0.0.1","x")', "\t=1", "\r=1",
    "=IMPORTXML(1)", "+cmd|x!A1", "@import", "|x", "%1", "sep=;", '"=1+1"', "'=1+1", "=\u00a01", "\uff1d1+1",
]  # fmt: skip
_TAGS = ["script", "img src=x onerror", "svg onload", "iframe src", "body onload", "a href", "math", "style", "base href",
         "object data", "embed src", "video onerror", "details open ontoggle", "input onfocus", "marquee onstart"]  # fmt: skip
_CALLS = ["alert(1)", "window.pwned=1", "&#97;lert(1)", "javascript:alert(1)", "eval(name)", "\\u0061lert(1)"]
_MARKUP = [
    *(f"<{tag}={call}>" for tag in _TAGS for call in _CALLS),
    "<script>alert(1)</script>", "</title><script>alert(1)</script>", "<ScRiPt>alert(1)</sCrIpT>", "<<script>x",
    "'><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!--", "-->", "<![CDATA[x]]>", "]]>", "<?xml?>",
    '<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>', "&lt;script&gt;", "&#x3c;script&#x3e;", "&amp;", "&",
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "[x](javascript:alert(1))", "**x**", "# x",
    "![x](http://127.0.0.1/x)", "<http://127.0.0.1>", "@everyone", "<!channel>", "\x1b[31mred\x1b[0m", "\x1b]0;x\x07",
]  # fmt: skip
_WRITINGS = [
    "Ω≈ç√∫˜µ≤≥÷", "åß∂ƒ©˙∆˚¬…æ", "œ∑´®†¥¨ˆøπ“‘", "¡™£¢∞§¶•ªº–≠", "¸˛Ç◊ı˜Â¯˘¿", "ÅÍÎÏ˝ÓÔ\uf8ffÒÚÆ☃", "Œ„´‰ˇÁ¨ˆØ∏”’", "⅛⅜⅝⅞",
    "ЁЂЃЄЅІЇЈЉЊЋЌЍЎЏ", "٠١٢٣٤٥٦٧٨٩", "⁰⁴⁵", "₀₁₂", "田中さんにあげて下さい", "パーティーへ行かないか", "和製漢語", "部落格",
    "사회과학원 어학연구소", "찦차를 타고", "울란바토르", "𠜎𠜱𠝹𠱓", "Ⱥ", "Ⱦ", "ヽ༼ຈل͜ຈ༽ﾉ", "(｡◕ ∀ ◕｡)", "¯\\_(ツ)_/¯",
    "😍", "👩🏽", "👨‍🦰", "👾 🙇 💁 🙅", "🐵 🙈 🙉 🙊", "❤️ 💔 💌", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇺🇸🇷🇺🇸", "🇺🇸🇷🇺🇸🇦🇫", "🏴\U000e0067\U000e0062\U000e007f",
    "１２３", "إذ بدأ يوليو", "שלום עולם", "בְּרֵאשִׁית", "הָיְתָהtestالصفحات", "﷽", "ﷺ", "مُنَاقَشَةُ", "˙ɐnbᴉlɐ", "Ｔｈｅ ｑｕｉｃｋ", "𝐓𝐡𝐞", "𝕿𝖍𝖊",
    "𝒯𝒽ℯ", "𝚃𝚑𝚎", "⒯⒣⒠", "İstanbul", "ıstanbul", "ﬁx", "ß", "ẞ", "ŉ", "ǆ", "ΰ", "K", "Å", "ſ", "і", "о", "Ꭺ", "e\u0301", "\u00e9",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞", "a" + "\u0301" * 200, "\u0301a", "क्ष", "แปลภาษา", "Tiếng Việt", "ไ" * 50,
]  # fmt: skip
_LONG = ["x" * 255, "x" * 256, "x" * 1_000, "é" * 255, "😀" * 255, "ab " * 85, "x" * 1_999]
_EDGES = ["", " ", "  ", " a", "a ", "\ta", "a\n", "\r\n", "a\nb", "a\r\nb", "\ufeff", "\ufeffa", "a\u00a0", "\u3000a"]

#: All of them, each once.
NAUGHTY: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *_EDGES, *_WORDS, *_SQL, *_LDAP, *_PATHS, *_FORMULAS, *_MARKUP, *_WRITINGS, *_LONG, *_SURROGATES,
            *(f"a{one}b" for one in _CONTROLS), *(f"a{one}b" for one in _SPACES), *(f"a{one}b" for one in _HIDDEN),
            *_SPACES, *_HIDDEN, *_BLOCKS,
        ]
    )
)  # fmt: skip
