#!/usr/bin/env bash
# DVC 3.67.1: each line of a command of several lines (`cmd: |`) runs in a shell of its own.
#
# A variable set, or a folder entered, in the first line is lost in the second, without an error:
# `$size` is empty there. One line with `;` or `&&`, or a script, keeps them.
#
# One would guess that the block is a shell script, as in the steps of common CI services, in
# Makefiles with .ONESHELL or in `sh -c "$block"`: YAML hands it over as one string with line breaks,
# and dvc.lock records it as one string; a list of commands has its own notation (`cmd: [a, b]`).
#
# Output seen:
#   DVC:   size is '' in project
#   sh -c: size is '32' here
#       cmd: "size=32; cd ..\necho \"size is '$size' in $(basename \"$PWD\")\" > out.txt\n"
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q dvc==3.67.1 2>pip.log || { cat pip.log; exit 1; }
export PATH="$folder/env/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" DVC_SYSTEM_CONFIG_DIR="$folder/system"
mkdir project
cd project
dvc init -q --no-scm

cat >dvc.yaml <<'YAML'
stages:
  block:
    cmd: |
      size=32; cd ..
      echo "size is '$size' in $(basename "$PWD")" > out.txt
    outs: [out.txt]
YAML
dvc repro -q
echo "DVC:   $(cat out.txt)"
sh -c 'size=32; cd ..
echo "size is '"'"'$size'"'"' here" > shell.txt'
echo "sh -c: $(cat ../shell.txt)"
grep 'cmd:' dvc.lock
[ "$(cat out.txt)" = "size is '' in project" ] && [ "$(cat ../shell.txt)" = "size is '32' here" ]
