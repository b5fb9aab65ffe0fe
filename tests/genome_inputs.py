"""Tables of regions."""

import pandas as pd


def regions_of(rows):
    frame = pd.DataFrame(rows, columns=["chrom", "start", "end"])
    return frame.astype({"chrom": str, "start": "int64", "end": "int64"})
