"""Configurations, links, images, videos and meshes that attack who opens them; see `attacks`."""

from __future__ import annotations

import json
import pickle
import struct
from typing import Any

from benchmarks.reliability.inputs.meshes import glb, mesh_inputs

#: Nobody listens there.
ADDRESS = "http://127.0.0.1:9/evil"
#: Options of a configuration that a file carries.
CARRIED: dict[str, Any] = {
    "an output": {"output": "VICTIM"},
    "an output upwards": {"output": "../victim"},
    "a device": {"device": "cuda:0"},
    "a template file": {"loss": [{"kind": "clip", "templates": "SECRET"}]},
    "an image prompt": {"prompt": ["image:SECRET"]},
    "a style image": {"style": "image:SECRET"},
    "an image of an address": {"prompt": ["image:ADDRESS"]},
    "a start image": {"generator": {"kind": "cutout", "start": "SECRET"}},
    "a task of a file": {"task": "EVIL"},
    "a generator of a file": {"generator": "EVIL"},
    "a kind of a file": {"generator": {"kind": "EVIL"}},
    "a generator of a module": {"generator": {"kind": "os:system"}},
    "a loss of a file": {"loss": "EVIL"},
    "a loss kind of a file": {"loss": [{"kind": "EVIL"}]},
    "an encoder of a file": {"loss": [{"kind": "clip", "encoder": ["EVIL"]}]},
    "an encoder of a folder": {"loss": [{"kind": "clip", "encoder": ["local-dir:FOLDER/model"]}]},
    "an encoder of a hub": {"loss": [{"kind": "clip", "encoder": ["hf-hub:evil/model"]}]},
    "a denoiser of a folder": {"loss": [{"kind": "sds", "denoiser": "local-dir:FOLDER"}]},
    "an image of another task": {"task": "stylize", "image": "SECRET"},
    "a mesh of another task": {"task": "text2mesh", "mesh": "SECRET", "mode": "stylize"},
    "a scene of another task": {"task": "text2mesh", "scene": "SECRET"},
}
CONFIGS: dict[str, str] = {
    "apply": "prompt: !!python/object/apply:os.system ['touch MARK']\n",
    "new": "prompt: !!python/object/new:subprocess.Popen [['touch', 'MARK']]\n",
    "name": "prompt: !!python/name:os.system\n",
    "module": "prompt: !!python/module:evil\n",
    "merge": "<<: !!python/object/apply:os.getcwd []\nprompt: a\n",
    "key": "? !!python/object/apply:os.getcwd []\n: a\n",
    "task": "task: EVIL\nprompt: a\n",
    "include": "prompt: !include SECRET\n",
    "format": "prompt: '{0.__init__.__globals__}%s${HOME}`touch MARK`'\nsteps: 1\nsize: 16\n",
    "title": 'prompt: "\\x1b]0;title\\x07"\nsize: "\\x1b[2J"\n',
}
#: Links in a run folder, with what they lead to.
LINKS = {
    "metrics.jsonl": "victim/data.jsonl",
    "checkpoint.safetensors": "victim/thesis.txt",
    "checkpoint.json": "secret.txt",
    "environment.json": "secret.txt",
    "config.yaml": "secret.txt",
    "DONE.json": "secret.txt",
    "image.png": "victim/thesis.txt",
    "progress.mp4": "victim/thesis.txt",
    "preview": "victim",
    "samples": "victim",
    ".export-x": "victim",
    ".new-x": "victim",
    ".x.tmp": "victim/thesis.txt",
    ".lock": "victim/thesis.txt",
    ".checkpoint.safetensors.next": "victim/thesis.txt",
}
MEDIA: dict[str, bytes] = {
    "playlist.mp4": f"#EXTM3U\n#EXTINF:1,\n{ADDRESS}.ts\n".encode(),
    "files.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile://SECRET\n#EXT-X-ENDLIST\n",
    "concat.mov": b"ffconcat version 1.0\nfile SECRET\n",
    "session.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n",
    "vector.svg": f'<svg><image href="{ADDRESS}"/></svg>'.encode(),
    "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(SECRET) (r) file\n",
    "script.pdf": b"%PDF-1.4\n1 0 obj<</OpenAction<</S/Launch/F(/bin/sh)>>>>endobj\n",
    "script.msl": b'<?xml version="1.0"?><image><read filename="SECRET"/></image>',
    "script.mvg": b"push graphic-context\nimage over 0,0 9,9 'SECRET'\n",
    "pickle.png": pickle.dumps({"x": 1}),
    "code.png": b"import os\nos.abort()\n",
}


def movie_of_an_address() -> bytes:
    """A MOV whose data lie at an address (dref)."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        body = b"".join(parts)
        return struct.pack(">I", 8 + len(body)) + kind + body

    entry = box(b"url ", b"\0\0\0\0", ADDRESS.encode() + b"\0")
    alias = box(b"alis", b"\0\0\0\0", b"SECRET\0")
    reference = box(b"dref", struct.pack(">II", 0, 2), entry, alias)
    media = box(b"minf", box(b"dinf", reference))
    track = box(b"trak", box(b"mdia", media))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", track) + box(b"rmra", entry)


def _meshes() -> dict[str, bytes]:
    obj = mesh_inputs()["plain.obj"].replace(b"mtllib none.mtl", b"mtllib SECRET\nmtllib ../x.mtl")
    described: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "file://SECRET", "byteLength": 48}],
        "images": [{"uri": "SECRET"}, {"uri": ADDRESS}, {"uri": "../victim/thesis.txt"}],
        "textures": [{"source": 0}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "bufferViews": [{"buffer": 0, "byteLength": 48}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "nodes": [{"mesh": 0}],
    }
    entity = b'<?xml version="1.0"?><!DOCTYPE c [<!ENTITY x SYSTEM "file://SECRET">]><COLLADA>&x;'
    return {
        "materials.obj": obj,
        "script.obj": b"call SECRET\ncsh touch MARK\n" + obj,
        "outside.glb": glb(described, b""),
        "outside.gltf": json.dumps(described).encode(),
        "texture.ply": b"ply\ncomment TextureFile SECRET\n" + mesh_inputs()["ascii.ply"][4:],
        "entity.dae": entity,
    }


MESHES = _meshes()
