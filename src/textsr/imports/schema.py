"""The columns of the shards that the `ingest` stage makes of the user's own pairs."""

import pyarrow as pa

from textsr.datasets.schema import IMAGE

IMPORTED_SCHEMA = pa.schema(
    {
        "sample_id": pa.string(),  # SET/NAME
        "set": pa.string(),
        "origin": pa.string(),  # pairs, or hr: degraded by us
        "text": pa.string(),  # null where it is not known
        "scale": pa.int32(),
        "hr": IMAGE,
        "lr": IMAGE,
        "hr_height": pa.int32(),
        "hr_width": pa.int32(),
        "lr_height": pa.int32(),
        "lr_width": pa.int32(),
    }
)
"""Arrow schema; images are grey PNGs of any height, HR exactly `scale` times LR."""
