#!/usr/bin/env bash
# DVC 3.67.1 and PyYAML 6.0.3 read another type from the same params.yaml: `rate: 1e-3`.
#
# DVC reads YAML 1.2 (through ruamel.yaml), where 1e-3 is a number: it records 0.001 in dvc.lock and
# puts 0.001 in the place of ${rate}. PyYAML reads YAML 1.1, where a number needs a point: a stage
# that loads the file with yaml.safe_load gets the text '1e-3'. `1.0e-3` is a number for both.
#
# One would guess that the tool that tracks the parameters and the usual library that reads them in
# the stage agree on the file between them, all the more for the usual way to write a learning rate.
#
# Output seen:
#   DVC: 0.001, PyYAML: '1e-3'
#           rate: 0.001
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q dvc==3.67.1 ruamel.yaml==0.19.1 PyYAML==6.0.3 2>pip.log || { cat pip.log; exit 1; }
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" DVC_SYSTEM_CONFIG_DIR="$folder/system"
mkdir project
cd project
dvc init -q --no-scm

echo 'rate: 1e-3' >params.yaml
cat >load.py <<'PY'
import sys
import yaml

rate = yaml.safe_load(open("params.yaml"))["rate"]
open("out.txt", "w").write(f"DVC: {sys.argv[1]}, PyYAML: {rate!r}\n")
PY
cat >dvc.yaml <<'YAML'
stages:
  load:
    cmd: python load.py ${rate}
    params: [rate]
    outs: [out.txt]
YAML
dvc repro -q
cat out.txt
grep 'rate: ' dvc.lock
[ "$(cat out.txt)" = "DVC: 0.001, PyYAML: '1e-3'" ] && grep -q 'rate: 0.001' dvc.lock
