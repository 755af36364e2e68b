"""Positions of joints in Blender: `python blender.py FILES` in an environment with bpy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy


def main() -> None:
    folder = Path(sys.argv[1])
    expected = json.loads((folder / "expected.json").read_text())
    result = {"version": bpy.app.version_string}
    for name, joints in expected["joints"].items():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = 30
        bpy.ops.import_scene.gltf(filepath=str(folder / f"{name}.glb"))
        armature = next(each for each in bpy.data.objects if each.type == "ARMATURE")
        worst = 0.0
        for index, time in enumerate(expected["times"]):
            frame = time * 30
            bpy.context.scene.frame_set(int(frame), subframe=frame % 1)
            for joint, places in joints.items():
                x, y, z = (armature.matrix_world @ armature.pose.bones[joint].matrix).translation
                a, b, c = places[index]  # Blender has z up, and looks along -y
                off = ((x - a) ** 2 + (y + c) ** 2 + (z - b) ** 2) ** 0.5
                worst = max(worst, off)
        result[name] = {"joints_max_mm": round(worst * 1000, 4), "compared": len(joints) * 3}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
