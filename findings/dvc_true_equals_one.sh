#!/usr/bin/env bash
# DVC 3.67.1: a parameter edited from 1 to true, or to 1.0, is not seen as a change.
#
# The stage below prints the parameter with its type. After the edit from 1 to true `dvc status` says
# that all is up to date and `dvc repro` skips the stage, though the command would print another line.
# Values are compared as Python objects, and in Python 1 == True == 1.0.
#
# One would guess that another type is another value: YAML, JSON and dvc.lock write 1, 1.0 and true
# in different ways, and many programs treat them differently (a share of 1.0, a count of 1).
#
# Output seen:
#   size: true -> Data and pipelines are up to date. out.txt: int 1
#   size: 1.0 -> Data and pipelines are up to date. out.txt: int 1
#   with --force, out.txt: float 1.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q dvc==3.67.1 ruamel.yaml==0.19.1 2>pip.log || { cat pip.log; exit 1; }
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" DVC_SYSTEM_CONFIG_DIR="$folder/system"
mkdir project
cd project
dvc init -q --no-scm

echo 'size: 1' >params.yaml
cat >show.py <<'PY'
from ruamel.yaml import YAML

value = YAML(typ="safe").load(open("params.yaml"))["size"]
open("out.txt", "w").write(f"{type(value).__name__} {value}\n")
PY
cat >dvc.yaml <<'YAML'
stages:
  show:
    cmd: python show.py
    params: [size]
    outs: [out.txt]
YAML
dvc repro -q
for value in true 1.0; do
    echo "size: $value" >params.yaml
    dvc repro -q
    echo "size: $value -> $(dvc status) out.txt: $(cat out.txt)"
    [ "$(cat out.txt)" = "int 1" ]
done
dvc repro -q --force
echo "with --force, out.txt: $(cat out.txt)"
[ "$(cat out.txt)" = "float 1.0" ]
