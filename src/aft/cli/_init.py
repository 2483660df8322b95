"""``aft init``."""

import typer

TEMPLATE = """\
# Options of aft's commands: aft extract --config run.yaml, aft train --config run.yaml, ...
# Every long option of every command can be set here. Flags override this file.

data: reviews.csv          # a table (CSV, TSV, JSONL, Parquet), or a folder of images with one subfolder per class
text: sentence             # column of texts; for a table of images: image: path
label: label               # column of labels; samples with an empty cell are unlabelled
id:                        # column of unique ids; by default a hash of the text, or the image's path
split:                     # column of train, validation, test; by default aft splits the data
group:                     # column of groups; a group never spans two splits

# aft extract
teacher: [mpnet=hf:sentence-transformers/all-mpnet-base-v2]   # [NAME=]MODEL, one or more
precision: fp32            # of the forward pass: fp32, bf16, fp16
device: auto

# aft train
features: [features/mpnet] # the teachers' feature stores
student: aft:ngrams        # or timm:NAME, hf:NAME-or-FOLDER, aft:transformer, aft:static, aft:cnn, python:module:factory
method: aft+probe-kd       # aft, kd, rkd, ft, b-tuning, probe-kd, sp, cka, finetune
beta: auto                 # weight of the objective, or auto to search it
weighting: auto            # fixed, balanced, or auto
unlabelled: use            # use, skip, error
seed: 0

# out differs between commands: aft extract --out features, aft train --out runs/a
"""


def init() -> None:
    """Print a commented configuration file: aft init > run.yaml."""
    typer.echo(TEMPLATE, nl=False)
