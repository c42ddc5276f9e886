#!/usr/bin/env python3
"""Trains a small model on batches that a server streams. README.md says more.

    python3 train.py --build BUILD/bin --framework torch
"""
import argparse
import math
import os
import socket
import subprocess
import sys
import time

from batches import Receiver

CLASSES = 10


class Torch:
    """Two convolutions and a linear layer, trained by gradient descent."""

    def __init__(self, side):
        import torch
        self.torch = torch
        torch.manual_seed(1)
        nn = torch.nn
        self.model = nn.Sequential(
            nn.Conv2d(3, 16, 7, stride=4, padding=3), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d((CLASSES, 1)), nn.Flatten(), nn.Linear(32 * CLASSES, CLASSES))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.2)
        self.version = "torch " + torch.__version__

    def array(self, tensor):
        return self.torch.from_dlpack(tensor)

    def address(self, array):
        return array.data_ptr()

    def describe(self, array):
        return tuple(array.shape), str(array.dtype).replace("torch.", "")

    def step(self, images, labels):
        self.optimizer.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Numpy:
    """One linear layer over all pixels, trained by gradient descent."""

    def __init__(self, side):
        import numpy
        self.numpy = numpy
        self.weights = numpy.zeros((3 * side * side, CLASSES), "f4")
        self.rate = numpy.float32(5.0 / len(self.weights))
        self.version = "numpy " + numpy.__version__

    def array(self, tensor):
        return self.numpy.from_dlpack(tensor)

    def address(self, array):
        return array.__array_interface__["data"][0]

    def describe(self, array):
        return array.shape, str(array.dtype)

    def step(self, images, labels):
        numpy = self.numpy
        pixels = images.reshape(len(images), -1)  # the same memory
        scores = pixels @ self.weights
        scores -= scores.max(axis=1, keepdims=True)
        chances = numpy.exp(scores)
        chances /= chances.sum(axis=1, keepdims=True)
        rows = numpy.arange(len(labels))
        loss = -numpy.log(chances[rows, labels] + 1e-9).mean()
        chances[rows, labels] -= 1
        self.weights -= self.rate * (pixels.T @ chances)
        return float(loss)


def start_server(program, batches, options):
    """The server as a child process, and a socket that is connected to it."""
    server = subprocess.Popen([program, f"--batches={batches}", *options], stdout=subprocess.PIPE,
                              text=True)
    line = server.stdout.readline().split()
    if len(line) != 2:
        server.kill()
        raise RuntimeError("the server did not start")
    return server, socket.create_connection(("127.0.0.1", int(line[1])))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="folder with the server and the receiver")
    parser.add_argument("--framework", choices=("numpy", "torch"), default="torch")
    parser.add_argument("--steps", type=int, default=60, help="with and without the transfer, each")
    parser.add_argument("--blocks", type=int, default=4, help="batches in memory at most")
    parser.add_argument("--count", type=int, default=64, help="images in a batch")
    parser.add_argument("--side", type=int, default=224, help="rows and columns of an image")
    parser.add_argument("--verify", action="store_true", help="check the checksum of every batch")
    parser.add_argument("--check", action="store_true",
                        help="end with 1 if more than 2 %% of the loop is waiting")
    options = parser.parse_args()

    framework = {"numpy": Numpy, "torch": Torch}[options.framework](options.side)
    shape = (options.count, 3, options.side, options.side)
    warm_up = 3
    server, connection = start_server(
        os.path.join(options.build, "tensor_batches_server"), options.steps + warm_up,
        [f"--count={options.count}", f"--side={options.side}"])
    library = os.path.join(options.build, "tensor_batches_receiver.so")
    losses, addresses, sequences = [], set(), []
    handing_over = 0.0

    def take(receiver):
        """The next batch's arrays, at the place where they were received."""
        nonlocal handing_over
        batch = next(receiver)
        start = time.perf_counter()
        images, labels = framework.array(batch.images), framework.array(batch.labels)
        handing_over += time.perf_counter() - start
        assert framework.address(images) == batch.images.address
        assert framework.address(labels) == batch.labels.address
        assert framework.describe(images) == (shape, "float32")
        assert framework.describe(labels) == ((options.count,), "int64")
        addresses.add(batch.images.address)
        sequences.append(batch.sequence)
        return images, labels

    def rest_steps(images, labels):
        """Seconds for half of the steps, on a batch that is here already."""
        start = time.perf_counter()
        for _ in range(options.steps // 2):
            framework.step(images, labels)
        return time.perf_counter() - start

    try:
        with Receiver(connection, library, options.blocks, verify=options.verify) as receiver:
            for _ in range(warm_up):
                images, labels = take(receiver)
                losses.append(framework.step(images, labels))

            # One half of the steps without the transfer comes before those with it, and one after,
            # so that a machine that gets slower or faster meanwhile favours neither.
            without = rest_steps(images, labels)
            receiver.waited = handing_over = 0.0
            start = time.perf_counter()
            for _ in range(options.steps):
                del images, labels  # gives the block back
                images, labels = take(receiver)
                losses.append(framework.step(images, labels))
            took = time.perf_counter() - start
            assert next(receiver, None) is None
            without += rest_steps(images, labels)
            del images, labels
            figures = receiver.figures()
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()

    assert sequences == list(range(options.steps + warm_up)), sequences
    assert all(math.isfinite(loss) for loss in losses), losses
    assert losses[-1] < losses[0], losses
    assert figures["copied"] == 0, figures
    assert figures["lent"] == 0 and figures["loans"] == len(sequences), figures
    assert figures["made"] <= options.blocks and len(addresses) == figures["made"], figures

    size = 4 * math.prod(shape)
    waiting = receiver.waited / took
    print(f"{framework.version}: {options.steps} steps on batches of {size / 1e6:.1f} MB")
    print(f"  steps/s without the transfer {options.steps // 2 * 2 / without:8.2f}")
    print(f"  steps/s with the transfer    {options.steps / took:8.2f}   "
          f"({options.steps / took * size / 1e6:.0f} MB/s)")
    print(f"  waiting for a batch          {100 * waiting:8.2f} % of the loop")
    print(f"  from batch to arrays         {handing_over / options.steps * 1e6:8.1f} us a step")
    print(f"  loss {losses[0]:.3f} -> {losses[-1]:.3f}; {len(addresses)} addresses, "
          f"{figures['made']} blocks for {figures['loans']} batches, "
          f"{figures['copied']} bytes copied")
    if options.check and waiting > 0.02:
        print("  more than 2 % is waiting")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
