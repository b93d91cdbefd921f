"""What a user's analysis works with: a class that reads products and leaves files, and the data that it is given.

::

    class Trend:
        def __init__(self, parameters): ...
        def output(self): return {"summary": "trend.h5", "plots": ["trend.png"]}
        def run(self, data, output_dir): ...

docs/how-to/write-an-analysis.md tells the rest.
"""

from osa_luigi.analysis.data import Data, File, Run
from osa_luigi.analysis.kinds import KINDS, Kind
from osa_luigi.analysis.protocol import Analysis, Outputs

__all__ = ["KINDS", "Analysis", "Data", "File", "Kind", "Outputs", "Run"]
