#!/usr/bin/env python3
"""Draws bight.png, the picture that the image transfer example sends.

A rope lies in a knot on blue planks. Everything is computed: the same picture
comes out of every run. Needs nothing but the standard library.

Usage: make_picture.py [FILE]
"""

import math
import struct
import sys
import zlib
from array import array

SCALE = 1.4  # pixels in a unit of the scene, which is 1280 wide and 960 high
WIDTH, HEIGHT = int(1280 * SCALE), int(960 * SCALE)
UNIT = 122.0 * SCALE  # pixels in a unit of the knot's curve
CENTRE_X, CENTRE_Y = 640.0 * SCALE, 422.0 * SCALE
RADIUS = 0.40  # of the rope
LIGHT = (-0.46, -0.56, 0.69)  # towards the light; x right, y down, z to the eye


def smoothstep(low, high, x):
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


# --- The curve: a trefoil, opened at the bottom, its ends led off to both sides.

def trefoil(t):
    x = math.sin(t) + 2.0 * math.sin(2.0 * t)
    y = math.cos(t) - 2.0 * math.cos(2.0 * t)
    return x, -y


def hermite(p, dp, q, dq, u):
    a = 2 * u**3 - 3 * u**2 + 1
    b = u**3 - 2 * u**2 + u
    c = -2 * u**3 + 3 * u**2
    d = u**3 - u**2
    return tuple(a * p[i] + b * dp[i] + c * q[i] + d * dq[i] for i in (0, 1))


def rope_points():
    """Points a pixel or two apart: (x, y, height), in pixels and in -1 to 1."""
    t0, t1 = math.pi + 0.42, 3.0 * math.pi - 0.42
    step = 1e-4

    def tangent(t, length):
        (x0, y0), (x1, y1) = trefoil(t - step), trefoil(t + step)
        norm = math.hypot(x1 - x0, y1 - y0)
        return (x1 - x0) / norm * length, (y1 - y0) / norm * length

    raw = []
    left, right = (-6.2, 3.75), (6.2, 3.75)
    for i in range(1500):
        u = i / 1500
        x, y = hermite(left, (7.0, 0.6), trefoil(t0), tangent(t0, 7.0), u)
        raw.append((x, y, -math.sin(3.0 * t0) * smoothstep(0.9, 1.0, u)
                    + 0.8 * (1.0 - smoothstep(0.72, 0.97, u))))
    for i in range(6000):
        t = t0 + (t1 - t0) * i / 6000
        raw.append((*trefoil(t), -math.sin(3.0 * t)))
    for i in range(1501):
        u = i / 1500
        x, y = hermite(trefoil(t1), tangent(t1, 7.0), right, (7.0, -0.6), u)
        raw.append((x, y, -math.sin(3.0 * t1) * (1.0 - smoothstep(0.0, 0.1, u))
                    - 0.8 * smoothstep(0.03, 0.28, u)))
    points = []
    last = None
    for x, y, height in raw:
        px, py = CENTRE_X + UNIT * x, CENTRE_Y + UNIT * y
        if last is None or math.hypot(px - last[0], py - last[1]) >= 1.5 * SCALE:
            points.append((px, py, height))
            last = (px, py)
    return points


# --- Distances: which point of the curve is nearest to each pixel.

class Field:
    """For pixels within `reach` of part of the curve: the nearest place on it."""

    def __init__(self, points, first, last, reach, shift=(0.0, 0.0)):
        self.distance = {}
        for i in range(first, last):
            ax, ay, _ = points[i]
            bx, by, _ = points[i + 1]
            ax, ay, bx, by = ax + shift[0], ay + shift[1], bx + shift[0], by + shift[1]
            dx, dy = bx - ax, by - ay
            length = math.hypot(dx, dy)
            dx, dy = dx / length, dy / length
            # Only the pixels beside this piece, with a little to spare: others have a nearer one.
            y_low = max(0, int(min(ay, by) - reach * abs(dx) - 3))
            y_high = min(HEIGHT - 1, int(max(ay, by) + reach * abs(dx) + 3))
            for y in range(y_low, y_high + 1):
                if abs(dx) > 0.05:
                    # Along the row: where -2 <= (x - ax) dx + (y - ay) dy <= length + 2.
                    e0 = ax + (-2.0 - (y - ay) * dy) / dx
                    e1 = ax + (length + 2.0 - (y - ay) * dy) / dx
                    x_low, x_high = min(e0, e1), max(e0, e1)
                    x_low = max(x_low, min(ax, bx) - reach * abs(dy) - 3)
                    x_high = min(x_high, max(ax, bx) + reach * abs(dy) + 3)
                else:
                    x_low, x_high = min(ax, bx) - reach - 3, max(ax, bx) + reach + 3
                for x in range(max(0, int(x_low)), min(WIDTH - 1, int(x_high) + 1) + 1):
                    u = (x - ax) * dx + (y - ay) * dy
                    # Beyond the part's ends nothing is near it: there another part goes on.
                    if (u < 0.0 and i == first) or (u > length and i == last - 1):
                        continue
                    u = min(length, max(0.0, u))
                    off_x, off_y = x - ax - u * dx, y - ay - u * dy
                    square = off_x * off_x + off_y * off_y
                    if square > reach * reach:
                        continue
                    key = y * WIDTH + x
                    known = self.distance.get(key)
                    if known is None or square < known[0]:
                        side = 1.0 if off_x * -dy + off_y * dx >= 0 else -1.0
                        self.distance[key] = (square, i + u / length, side, dx, dy)


# --- Colours

def plank_row(y):
    """The background's row: blue boards with grain, brighter towards the light."""
    board_height = 161.0
    board = int((y + 40) / board_height)
    within = (y + 40) - board * board_height
    edge = min(within, board_height - within)
    seam = smoothstep(0.0, 3.2, edge)
    bevel = 0.90 + 0.10 * smoothstep(2.0, 13.0, edge)
    lip = 0.16 * math.exp(-((within - 5.0) / 2.6) ** 2)
    tone = 0.93 + 0.07 * math.sin(board * 2.3 + 0.6)
    warp = board * 1.7
    row = []
    for column in range(WIDTH):
        x = column / SCALE
        # Grain: lines along the board that a knot in the wood pushes aside.
        knot_x, knot_y = 250.0 + (board * 389) % 900, 60.0 + (board * 37) % 50
        dx, dy = (x - knot_x) / 92.0, (within - knot_y) / 26.0
        bulge = math.exp(-(dx * dx + dy * dy))
        v = within + 5.0 * math.sin(x / 210.0 + warp) + 2.0 * math.sin(x / 67.0 + 2.1 * warp)
        v += 24.0 * bulge * (1.0 if within > knot_y else -1.0) * (1.0 - 0.5 * bulge)
        grain = (0.50 * math.sin(v / 5.1 + 0.8 * math.sin(v / 13.0 + x / 390.0))
                 + 0.28 * math.sin(v / 1.9 + x / 140.0 + warp)
                 + 0.22 * math.sin(v / 1.13 - x / 75.0))
        wear = 0.5 + 0.5 * math.sin(x / 173.0 + warp * 1.9) * math.sin(within / 47.0 + x / 520.0)
        light = 1.12 - 0.00036 * math.hypot(x - 330.0, (y - 190.0) * 1.15)
        shade = light * tone * bevel * (0.30 + 0.70 * seam) * (1.0 + 0.055 * grain) + lip * light
        shade *= 0.96 + 0.08 * wear
        # Where the paint is worn the wood shows a little.
        bare = 0.20 * smoothstep(0.62, 1.0, wear) * smoothstep(-0.1, 0.9, grain)
        red = (52.0 + 70.0 * bare * 2.2) * shade
        green = (92.0 + 28.0 * bare * 2.2) * shade
        blue = (120.0 - 18.0 * bare * 2.2) * shade
        row.append((red, green, blue))
    return row


def rope_colour(square, along, side, dx, dy):
    """Three strands, twisted, of fine fibres. Returns the colour."""
    across = side * math.sqrt(square) / (RADIUS * UNIT)
    across = min(1.0, max(-1.0, across))
    angle = math.asin(across)
    depth = math.cos(angle)
    # Strands run round the rope: three grooves a turn.
    phase = along / 21.5 + angle * 1.15
    place = phase - math.floor(phase)
    bump = math.sin(math.pi * place)
    groove = math.sqrt(bump) if bump > 0.0 else 0.0
    tilt = math.cos(math.pi * place)
    # The normal: from the rope's roundness and from the strand's.
    nx = across * -dy + 0.62 * tilt * (dx * 0.80 + -dy * 0.50)
    ny = across * dx + 0.62 * tilt * (dy * 0.80 + dx * 0.50)
    nz = 0.25 + 0.85 * depth
    norm = math.sqrt(nx * nx + ny * ny + nz * nz)
    lambert = max(0.0, (nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]) / norm)
    half = (LIGHT[0], LIGHT[1], LIGHT[2] + 1.0)
    half_norm = math.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
    gloss = max(0.0, (nx * half[0] + ny * half[1] + nz * half[2]) / (norm * half_norm)) ** 26
    # Fibres lie along the strand, a little against it.
    fibre = (math.sin(26.0 * place + along / 9.0 - angle * 2.0)
             + 0.7 * math.sin(51.0 * place - along / 5.3 + 1.3 * math.sin(along / 37.0))
             + 0.4 * math.sin(7.0 * place + along / 23.0))
    shade = (0.24 + 0.88 * lambert) * (0.46 + 0.54 * groove) * (1.0 + 0.060 * fibre)
    shade *= 0.62 + 0.38 * depth
    warm = 0.5 + 0.5 * math.sin(along / 310.0)
    return ((236.0 + 8.0 * warm) * shade + 60.0 * gloss * groove,
            (190.0 + 6.0 * warm) * shade + 54.0 * gloss * groove,
            (118.0 + 10.0 * (1 - warm)) * shade + 42.0 * gloss * groove)


# --- Putting it together

def darken(image, field, reach, strength_at):
    for key, (square, along, *_rest) in field.distance.items():
        near = 1.0 - smoothstep(0.15, 1.0, math.sqrt(square) / reach)
        factor = 1.0 - strength_at(along) * near
        for channel in range(3):
            image[3 * key + channel] *= factor


def paint(image, field):
    radius = RADIUS * UNIT
    for key, (square, along, side, dx, dy) in field.distance.items():
        cover = min(1.0, max(0.0, radius + 0.5 - math.sqrt(square)))
        if cover == 0.0:
            continue
        colour = rope_colour(square, along, side, dx, dy)
        for channel in range(3):
            old = image[3 * key + channel]
            image[3 * key + channel] = old + (colour[channel] - old) * cover


def draw():
    image = array("f")
    for y in range(HEIGHT):
        for colour in plank_row(y / SCALE):
            image.extend(colour)
    points = rope_points()
    count = len(points) - 1
    radius = RADIUS * UNIT

    # The whole rope's shadow on the planks: a wide soft one and a narrow dark one.
    for shift, reach, strength in ((30.0, radius * 1.75, 0.44), (11.0, radius * 1.30, 0.40)):
        field = Field(points, 0, count, reach, (shift * 0.75 * SCALE, shift * SCALE))
        darken(image, field, reach, lambda _along, strength=strength: strength)

    # Pieces that lie low, then the shadows of the high ones, then those.
    pieces = []
    first = 0
    for i in range(1, count + 1):
        if i == count or (points[i][2] > 0.0) != (points[first][2] > 0.0):
            pieces.append((first, i, points[first][2] > 0.0))
            first = i
    for low, high, above in pieces:
        if not above:
            paint(image, Field(points, max(0, low - 4), min(count, high + 4), radius + 1.0))
    for low, high, above in pieces:
        if above:
            reach = radius * 1.7
            field = Field(points, low, high, reach, (8.0 * SCALE, 11.0 * SCALE))
            darken(image, field, reach,
                   lambda along: 0.72 * smoothstep(0.25, 0.85, points[int(along)][2]))
    for low, high, above in pieces:
        if above:
            paint(image, Field(points, max(0, low - 4), min(count, high + 4), radius + 1.0))
    return image


def to_bytes(image):
    """Eight bits a channel, with a vignette."""
    rows = []
    for y in range(HEIGHT):
        row = bytearray(3 * WIDTH)
        for x in range(WIDTH):
            far = math.hypot((x - WIDTH * 0.5) / WIDTH, (y - HEIGHT * 0.5) / HEIGHT)
            factor = 1.0 - 0.50 * smoothstep(0.34, 0.80, far)
            base = 3 * (y * WIDTH + x)
            for channel in range(3):
                value = image[base + channel] * factor
                row[3 * x + channel] = min(255, max(0, int(value + 0.5)))
        rows.append(bytes(row))
    return rows


def png(rows):
    def part(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    lines = bytearray()
    above = bytes(3 * WIDTH)
    for row in rows:
        left = bytes(3) + row[:-3]
        sub = bytes((a - b) & 255 for a, b in zip(row, left))
        up = bytes((a - b) & 255 for a, b in zip(row, above))
        # The filter whose bytes are smaller, as signed ones.
        weigh = [sum(min(b, 256 - b) for b in line) for line in (sub, up)]
        lines += b"\1" + sub if weigh[0] <= weigh[1] else b"\2" + up
        above = row
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header)
            + part(b"IDAT", zlib.compress(bytes(lines), 9)) + part(b"IEND", b""))


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "bight.png"
    with open(name, "wb") as file:
        file.write(png(to_bytes(draw())))


if __name__ == "__main__":
    main()
