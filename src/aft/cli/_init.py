"""``aft init``."""

import typer

TEMPLATE = """\
# Options of aft's commands: aft extract --config run.yaml, aft train --config run.yaml, ...
# Every long option of every command can stand here; flags on the command line win.

data: reviews.csv          # a table (CSV, TSV, JSONL, Parquet) or a folder of images, a folder a class
text: sentence             # column of texts; for a table of images: image: path
label: label               # column of labels; an empty cell is a sample without one
id:                        # column of unique ids; empty: a hash of the text, or the image's path
split:                     # column of train, validation, test; empty: cut by aft
group:                     # column of groups that no split may cut through

# aft extract
teacher: [mpnet=hf:sentence-transformers/all-mpnet-base-v2]   # [NAME=]MODEL, one or more
precision: fp32            # of the forward pass: fp32, bf16, fp16
device: auto

# aft train
features: [features/mpnet] # the teachers' feature stores
student: aft:transformer   # or timm:NAME, hf:NAME-or-FOLDER, aft:static, python:module:factory
method: aft+probe-kd       # aft, kd, rkd, ft, b-tuning, probe-kd, sp, cka, finetune
beta: auto                 # or a number
strength: auto             # raw, balanced
unlabelled: use            # use, skip, error
seed: 0

# out differs from command to command: aft extract --out features, aft train --out runs/a
"""


def init() -> None:
    """Print a commented configuration file: aft init > run.yaml."""
    typer.echo(TEMPLATE, nl=False)
