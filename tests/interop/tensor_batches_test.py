"""The tensors of examples/tensor_batches in Python: who owns them, and what is refused.

    tensor_batches_test.py BUILD/bin numpy|torch
"""
import gc
import os
import sys
import threading
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "examples", "tensor_batches"))
from batches import Receiver, checksum  # noqa: E402
from train import Numpy, Torch, start_server  # noqa: E402

BUILD, FRAMEWORK = sys.argv[1], sys.argv[2]
COUNT, SIDE = 8, 40
FLOATS = COUNT * 3 * SIDE * SIDE


class TensorBatchesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.framework = {"numpy": Numpy, "torch": Torch}[FRAMEWORK](SIDE)

    def receive(self, batches, blocks=2, patience=60, damage=""):
        server, connection = start_server(
            os.path.join(BUILD, "tensor_batches_server"), batches,
            [f"--count={COUNT}", f"--side={SIDE}", f"--damage={damage}"])
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        receiver = Receiver(connection, os.path.join(BUILD, "tensor_batches_receiver.so"), blocks,
                            patience, verify=True)
        self.addCleanup(receiver.close)
        return receiver

    def array(self, tensor):
        return self.framework.array(tensor)

    def lent(self, receiver):
        return receiver.figures()["lent"]

    def test_arrays_are_where_the_batch_was_received(self):
        receiver = self.receive(5)
        addresses = set()
        for sequence, batch in enumerate(receiver):
            self.assertEqual(batch.sequence, sequence)
            images, labels = self.array(batch.images), self.array(batch.labels)
            self.assertEqual(self.framework.address(images), batch.images.address)
            self.assertEqual(self.framework.address(labels), batch.labels.address)
            self.assertEqual(batch.images.address % 4096, 0)
            self.assertEqual(self.framework.describe(images), ((COUNT, 3, SIDE, SIDE), "float32"))
            self.assertEqual(self.framework.describe(labels), ((COUNT,), "int64"))
            # Each label's band of rows is the bright one.
            for i in range(COUNT):
                rows = images[i].mean((0, 2)).reshape(10, -1).mean(1)
                self.assertEqual(int(rows.argmax()), int(labels[i]))
            addresses.add(batch.images.address)
            del images, labels
        self.assertEqual(sequence, 4)
        figures = receiver.figures()
        self.assertLessEqual(len(addresses), 2)
        self.assertEqual(figures["made"], len(addresses))
        self.assertEqual(figures["loans"], 5)
        self.assertEqual(figures["copied"], 0)

    def test_a_tensor_is_given_away_once(self):
        batch = next(self.receive(1))
        images = self.array(batch.images)
        with self.assertRaisesRegex(BufferError, "from there on, of 0"):
            self.array(batch.images)
        self.assertEqual(images.shape[0], COUNT)

    def test_a_taker_may_write_if_its_library_lets_it(self):
        images = self.array(next(self.receive(1)).images)
        if FRAMEWORK == "torch":
            images[0, 0, 0, 0] = 5
            self.assertEqual(float(images.max()), 5)
        else:
            with self.assertRaises(ValueError):  # numpy marks what it takes as read-only
                images[0, 0, 0, 0] = 5

    def test_arrays_go_in_as_bytes(self):
        library = os.path.join(BUILD, "tensor_batches_receiver.so")
        module = getattr(self.framework, FRAMEWORK)
        digits = module.asarray(list(b"123456789"), dtype=module.uint8)
        self.assertEqual(checksum(digits, library), 0xE3069283)  # the check value of CRC-32C
        self.assertEqual(checksum(digits[3:3], library), 0)
        self.assertNotEqual(checksum(digits[1:], library), 0xE3069283)
        table = module.zeros((4, 6), dtype=module.float32)
        self.assertEqual(checksum(table, library), checksum(table.reshape(-1), library))
        for view in (table[:, ::2], table.T):
            with self.assertRaisesRegex(BufferError, "make it contiguous first"):
                checksum(view, library)
        before = sys.getrefcount(digits)
        checksum(digits, library)
        self.assertEqual(sys.getrefcount(digits), before)

    def test_a_shared_tensor_is_not_given_away_to_be_written(self):
        batch = next(self.receive(1))
        one, two = self.array(batch.images.shared()), self.array(batch.images.shared())
        self.assertEqual(self.framework.address(one), batch.images.address)
        self.assertEqual(self.framework.address(two), batch.images.address)
        with self.assertRaisesRegex(BufferError, "may write"):
            self.array(batch.images)
        del one, two
        images = self.array(batch.images)
        self.assertEqual(self.framework.address(images), batch.images.address)

    def test_a_batch_that_is_dropped_gives_its_block_back_at_once(self):
        receiver = self.receive(10)
        gc.disable()
        self.addCleanup(gc.enable)
        self.assertEqual([batch.sequence for batch in receiver], list(range(10)))
        self.assertLessEqual(receiver.figures()["made"], 2)

    def test_who_holds_all_blocks_is_told_so(self):
        receiver = self.receive(3, patience=1)
        held = [self.array(next(receiver).images) for _ in range(2)]
        with self.assertRaisesRegex(ConnectionError, "no batch within 1 seconds; 2 of 2 blocks"):
            next(receiver)
        del held
        self.assertEqual(next(receiver).sequence, 2)

    def test_a_capsule_that_nobody_takes_deletes_its_tensor(self):
        receiver = self.receive(1)
        capsule = next(receiver).images.__dlpack__()
        self.assertIn('"dltensor"', repr(capsule))
        self.assertEqual(self.lent(receiver), 1)
        del capsule
        self.assertEqual(self.lent(receiver), 0)

    def test_a_capsule_that_was_taken_leaves_its_tensor_alone(self):
        receiver = self.receive(1)
        batch = next(receiver)
        capsules = []

        class Spy:
            def __dlpack__(self, stream=None):
                capsules.append(batch.images.__dlpack__())
                return capsules[0]

            def __dlpack_device__(self):
                return batch.images.__dlpack_device__()

        images = self.array(Spy())
        self.assertIn('"used_dltensor"', repr(capsules[0]))
        capsules.clear()
        self.assertEqual(self.lent(receiver), 1)
        self.assertNotEqual(float(images.sum()), 0)
        del images
        self.assertEqual(self.lent(receiver), 0)

    def test_a_refused_capsule_deletes_its_tensor_while_the_error_is_on_its_way(self):
        receiver = self.receive(1)
        batch = next(receiver)

        class Failing:
            def __dlpack__(self, stream=None):
                capsule = batch.images.__dlpack__()
                raise KeyError(repr(capsule))

            def __dlpack_device__(self):
                return batch.images.__dlpack_device__()

        with self.assertRaises(KeyError):
            self.array(Failing())
        self.assertEqual(self.lent(receiver), 0)

    def test_a_block_comes_back_from_any_thread(self):
        receiver = self.receive(3, blocks=1)
        for batch in receiver:
            arrays = [self.array(batch.images)]
            del batch
            self.assertEqual(self.lent(receiver), 1)
            thread = threading.Thread(target=arrays.clear)
            thread.start()
            thread.join()
        self.assertEqual(receiver.figures()["made"], 1)

    def test_arrays_outlive_their_batch_and_the_receiver(self):
        receiver = self.receive(2)
        arrays = [self.array(batch.images) for batch in receiver]
        receiver.close()
        for images in arrays:
            self.assertGreater(float(images.max()), 0.9)

    def test_the_receiver_waits_while_all_blocks_are_lent(self):
        receiver = self.receive(4, blocks=2)
        held = [self.array(next(receiver).images) for _ in range(2)]
        self.assertEqual(receiver.figures()["most_lent"], 2)
        taken = []
        thread = threading.Thread(target=lambda: taken.append(next(receiver).sequence))
        thread.start()
        held.pop(0)
        thread.join()
        self.assertEqual(taken, [2])
        self.assertEqual(receiver.figures()["most_lent"], 2)

    def test_a_receiver_that_is_closed_early_ends(self):
        receiver = self.receive(1000)
        images = self.array(next(receiver).images)
        receiver.close()
        self.assertEqual(images.shape[0], COUNT)

    def test_a_shape_larger_than_the_bytes_is_refused(self):
        batch = next(self.receive(1, damage="shape"))
        with self.assertRaisesRegex(BufferError, rf"shape \[8, 4, 40, 40\].*of {4 * FLOATS}"):
            self.array(batch.images)
        self.assertEqual(self.array(batch.labels).shape[0], COUNT)

    def test_damage_on_the_way_is_an_error_with_a_reason(self):
        for damage, words in (("size", "is too large"), ("crc", "wrong checksum"),
                              ("magic", "of no known form"), ("cut", "ends after 0 of 64 bytes")):
            with self.subTest(damage):
                with self.assertRaisesRegex(ConnectionError, words):
                    next(self.receive(2, damage=damage))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
