"""Headers: order, case, doubles, what is missing, what is too much."""

from millrace.contracts.data import Column, Dialect
from tests.images.data.corpus.case import COLUMNS, ID, LABEL, Bad, Case, Refused, both, delimited, lines

ROWS = ((1, "a", "yes"), (2, "b", "no"))
BODY = "1¦a¦yes\n2¦b¦no\n"
WIDE = "id¦text¦label¦more\n1¦a¦yes¦x\n2¦b¦no¦y\n"
DROP = {"extra_columns": "drop"}
SPOKEN = (
    Column(name="id", type="int64", source_name="Customer ID"),
    Column(name="text", type="string", source_name="größe, in cm"),
    Column(name="label", type="string", source_name='what "we" want'),
)


def _refused(name: str, header: str, says: str, **fields: object) -> list[Case]:
    return list(both(name, f"{header}\n{BODY}", refused=Refused(says), **fields))


CASES = [
    *both("another order", "label¦id¦text\nyes¦1¦a\nno¦2¦b\n", *ROWS),
    *both("a quoted header", '"id"¦"text"¦"label"\n' + BODY, *ROWS),
    *both("a header without rows behind it but one", "id¦text¦label\n1¦a¦yes", ROWS[0]),
    *_refused("a column is missing", "id¦text", "label"),
    *_refused("a column is there twice", "id¦text¦text", "twice"),
    *_refused("a column twice and all others", "id¦text¦label¦text", "twice"),
    *_refused("a column twice where others are dropped", "id¦text¦label¦text", "twice", dataset=DROP),
    *_refused("another case", "ID¦Text¦Label", "ID"),
    *_refused("a space before a name", "id¦ text¦label", "text"),
    *_refused("a space behind a name", "id¦text ¦label", "text"),
    *_refused("a name without letters", "id¦text¦label¦", "not declared"),
    *_refused("an index without a name", "¦id¦text¦label", "not declared"),
    *_refused("a name over two lines", 'id¦"te\nxt"¦label', "text"),
    *_refused("no header", "7¦c¦yes", "columns"),
    *_refused("a name that looks alike", "id¦tехt¦label", "text"),
    *_refused("a name in another normal form", "id¦text¦label¦é", "not declared"),
    *both("a comment before the header", "# exported today\nid¦text¦label\n" + BODY, refused=Refused("columns")),
    *both("a title before the header", "sep=,\nid¦text¦label\n".replace(",", ";") + BODY, refused=Refused("columns")),
    delimited("semicolons under the name of commas", "id;text;label\n1;a;yes\n", refused=Refused("columns")),
    Case("commas under the name of tabs", "tsv", b"id,text,label\n1,a,yes\n", refused=Refused("columns")),
    Case("tabs under the name of commas", "csv", b"id\ttext\tlabel\n1\ta\tyes\n", refused=Refused("columns")),
    # the number of fields
    *both("a field too few", "id¦text¦label\n1¦a\n2¦b¦no\n", ROWS[1], bad=(Bad(2, says="field"),)),
    *both("a field too many", "id¦text¦label\n1¦a¦yes¦s3cret\n2¦b¦no\n", ROWS[1], bad=(Bad(2, says="field"),)),
    *both(
        "a separator at the end of each row",
        "id¦text¦label\n1¦a¦yes¦\n2¦b¦no¦\n3¦c¦no\n",
        (3, "c", "no"),
        bad=(Bad(2, says="field"), Bad(3, says="field")),
    ),
    *both(
        "a separator in an unquoted text",
        "id¦text¦label\n1¦a¦s3cret¦yes\n2¦b¦no\n",
        ROWS[1],
        bad=(Bad(2, says="field"),),
    ),
    *both("separators only", "id¦text¦label\n¦¦\n2¦b¦no\n", ROWS[1], bad=(Bad(2, "id"),)),
    *both(
        "the header again in the middle", "id¦text¦label\n1¦a¦yes\nid¦text¦label\n2¦b¦no\n", *ROWS, bad=(Bad(3, "id"),)
    ),
    # columns that are not declared
    *both("a column more is refused", WIDE, refused=Refused("more.*not declared|not declared.*more")),
    *both("a column more is dropped", WIDE, *ROWS, dataset=DROP, dropped=("more",)),
    *both(
        "an index without a name is dropped",
        "¦id¦text¦label\n0¦1¦a¦yes\n1¦2¦b¦no\n",
        *ROWS,
        dataset=DROP,
        dropped=("",),
    ),
    *both(
        "two dropped columns of one name",
        "x¦id¦x¦text¦label\n0¦1¦0¦a¦yes\n1¦2¦1¦b¦no\n",
        *ROWS,
        dataset=DROP,
        dropped=("x",),
    ),
    *both(
        "a dropped column of another case",
        "id¦text¦label¦TEXT\n1¦a¦yes¦x\n2¦b¦no¦y\n",
        *ROWS,
        dataset=DROP,
        dropped=("TEXT",),
    ),
    *both(
        "a dropped column that is quoted",
        'id¦m¦text¦label\n1¦"x\n""¦"¦a¦yes\n2¦¦b¦no\n',
        *ROWS,
        dataset=DROP,
        dropped=("m",),
    ),
    *both(
        "a short row where columns are dropped",
        "id¦text¦label¦more\n1¦a¦yes\n2¦b¦no¦y\n",
        ROWS[1],
        dataset=DROP,
        dropped=("more",),
        bad=(Bad(2, says="field"),),
    ),
    *both(
        "bytes that are not UTF-8 in a dropped column",
        "id¦text¦label¦more\n1¦a¦yes¦".encode() + b"s3cret\xe9" + "\n2¦b¦no¦y\n".encode(),
        ROWS[1],
        dataset=DROP,
        dropped=("more",),
        bad=(Bad(2, says="UTF-8"),),
    ),
    *both(
        "columns of our own names",
        "id¦split_¦text¦partition_¦label¦content_\n1¦x¦a¦y¦yes¦z\n",
        ROWS[0],
        dataset=DROP,
        dropped=("content_", "partition_", "split_"),
    ),
    *both(
        "twenty thousand columns more",
        "id¦text¦label" + "".join(f"¦c{n}" for n in range(20_000)) + "\n" + BODY,
        refused=Refused("not declared"),
    ),
    *both(
        "twenty thousand columns of one name",
        "id¦text¦label" + "¦text" * 20_000 + "\n" + BODY,
        refused=Refused("twice"),
    ),
    *both(
        "a row of a hundred thousand fields",
        "id¦text¦label\n1" + "¦" * 100_000 + "\n2¦b¦no\n",
        ROWS[1],
        bad=(Bad(2, says="field"),),
    ),
    # names of the real world
    *both("names that are mapped", 'Customer ID¦"größe, in cm"¦"what ""we"" want"\n' + BODY, *ROWS, columns=SPOKEN),
    *both(
        "names that are mapped, in another order",
        '"größe, in cm"¦"what ""we"" want"¦Customer ID\na¦yes¦1\nb¦no¦2\n',
        *ROWS,
        columns=SPOKEN,
    ),
    *both(
        "our names where theirs are declared", "id¦text¦label\n" + BODY, columns=SPOKEN, refused=Refused("Customer ID")
    ),
    lines(
        "names that are mapped",
        '{"Customer ID":1,"größe, in cm":"a","what \\"we\\" want":"yes"}\n',
        ROWS[0],
        columns=SPOKEN,
    ),
    lines(
        "our names where theirs are declared",
        '{"id":1,"text":"a","label":"yes"}\n',
        columns=SPOKEN,
        refused=Refused("id|Customer ID"),
    ),
    *both(
        "names that are exchanged",
        "text¦id¦label\n1¦a¦yes\n2¦b¦no\n",
        *ROWS,
        columns=(
            ID.model_copy(update={"source_name": "text"}),
            COLUMNS[1].model_copy(update={"source_name": "id"}),
            LABEL,
        ),
    ),
    # none at all
    *both("no header, and none is declared", BODY, *ROWS, dialect=Dialect(header=False)),
    *both(
        "a header where none is declared",
        "id¦text¦label\n" + BODY,
        *ROWS,
        dialect=Dialect(header=False),
        bad=(Bad(1, "id"),),
    ),
    *both(
        "no header and a field too many",
        "1¦a¦yes¦\n2¦b¦no\n",
        ROWS[1],
        dialect=Dialect(header=False),
        bad=(Bad(1, says="field"),),
    ),
    *both("no header and no rows", "\n\n", dialect=Dialect(header=False), refused=Refused("no row")),
    *both("no header and a BOM", "\ufeff" + BODY, *ROWS, dialect=Dialect(header=False)),
]
