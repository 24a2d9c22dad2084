"""Sound files with a few bytes changed, put in, taken out, repeated or cut off."""

import random

HOSTILE = (
    b'"',
    b'""',
    b"\\",
    b'\\"',
    b",",
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3",
    b"\xa9",
    b"\xed\xa0\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"null",
    b"NaN",
    b"Infinity",
    b"-",
    b"1",
    b"0",
    b".",
    b"e5",
    b"0x",
    b" ",
    b"'",
    b"#",
    b"true",
    b"\\u",
    b"\\ud83d",
    b"\\ude00",
    b"\\u0000",
    b"\xe2\x80\xa8",
    b"\x85",
    b"\x0b",
    b"id",
    b'"id":7,',
    b"}{",
    b"\n\n",
)


def mutated(data: bytes, random_: random.Random, begin: int, times: int) -> bytes:
    """The data with that many changes behind ``begin``."""
    changed = bytearray(data)
    for _ in range(times):
        at = random_.randrange(min(begin, len(changed) - 1), len(changed))
        match random_.randrange(8):
            case 0:
                changed[at] ^= 1 << random_.randrange(8)
            case 1:
                changed[at] = random_.randrange(256)
            case 2 | 3 | 4:
                changed[at:at] = random_.choice(HOSTILE)
            case 5:
                del changed[at : at + random_.choice((1, 1, 2, 5, 40))]
            case 6:
                changed[at:at] = changed[at : at + random_.randrange(1, 60)]
            case 7:
                if random_.random() < 0.3:
                    del changed[at:]
                else:
                    other = random_.randrange(min(begin, len(changed) - 1), len(changed))
                    changed[at], changed[other] = changed[other], changed[at]
    return bytes(changed)
