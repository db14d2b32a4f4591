#!/usr/bin/env bash
# Builds the Android app with python-for-android. NOT YET RUN by anybody: see README.md.
#   SERVER_URL=https://parkir.example.go.id ./build.sh
# Needs python-for-android, a JDK 17, ANDROIDSDK and ANDROIDNDK (see its quick start).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
app=$(mktemp -d)
trap 'rm -r "$app"' EXIT

# The packages with their metadata: the device report asks for the version.
python3 -m pip install -q --no-deps --target "$app" "$checkout"
rm -r "${app:?}"/{server,bin}
cp "$here/main.py" "$here/service.py" "$app/"
printf 'HANDHELD_SERVER_URL=%s\n' "${SERVER_URL:?https address of the server}" >"$app/handheld.env"

# Each package by name: python-for-android installs none that another one needs.
requirements=python3,sqlite3,openssl,pyjnius,android
requirements+=,cryptography,cffi,pycparser,numpy,opencv,pyzbar,libzbar,pillow,zxing-cpp,segno,qrcode
requirements+=,starlette,uvicorn,h11,click,anyio,idna,sniffio,typing_extensions
requirements+=,httpx,httpcore,certifi,jinja2,markupsafe,pyjwt,tzdata,python-multipart
requirements+=,typer,annotated-doc,rich,markdown-it-py,mdurl,pygments,shellingham

p4a apk --private "$app" --package id.go.karcis.handheld --name Karcis --version 0.1.0 \
  --bootstrap webview --port 8082 --requirements "$requirements" \
  --add-source "$here/java" \
  --arch arm64-v8a --ndk-api 24 --android-api 34 \
  --permission INTERNET --permission CAMERA --permission POST_NOTIFICATIONS \
  --permission FOREGROUND_SERVICE --permission FOREGROUND_SERVICE_DATA_SYNC \
  --service Handheld:service.py:foreground:sticky:foregroundServiceType=dataSync \
  --allow-backup false --wakelock --orientation portrait --no-optimize-python
