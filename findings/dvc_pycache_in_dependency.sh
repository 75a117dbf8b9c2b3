#!/usr/bin/env bash
# DVC 3.67.1 and Python: a folder of modules as dependency contains __pycache__, which the command
# itself writes. So a stage that only imports its code changes its own dependency.
#
# dvc.lock records two files for a folder of one module, because it is written after the command; when
# __pycache__ is removed (or a checkout, another Python or PYTHONDONTWRITEBYTECODE leaves it out) the
# stage counts as changed, though no line of code was. `__pycache__/` in .dvcignore prevents it.
#
# One would guess that DVC, which is written in Python and mostly used for it, leaves __pycache__ out,
# or that it honours .gitignore, which lists __pycache__ here: only .dvcignore counts.
#
# Output seen:
#   files in code/ before the run: 1; recorded in dvc.lock: 2
#   dvc status without __pycache__:
#   s:
#     changed deps:
#       modified:           code
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
git init -q
dvc init -q

unset PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
git rev-parse --is-inside-work-tree >/dev/null
echo '__pycache__/' >.gitignore
mkdir code
echo 'value = 1' >code/module.py
cat >dvc.yaml <<'YAML'
stages:
  s:
    cmd: PYTHONPATH=code python -c "import module"
    deps: [code]
YAML
dvc repro -q
files=$(sed -n 's/ *nfiles: //p' dvc.lock)
echo "files in code/ before the run: 1; recorded in dvc.lock: $files"
rm -r code/__pycache__
status=$(dvc status)
echo "dvc status without __pycache__:"
echo "$status"
[ "$files" -eq 2 ] && [[ $status == *"modified:"*code* ]]
