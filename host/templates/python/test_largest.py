import unittest
from dataclasses import dataclass

from largest import InvalidConfig, label_of, largest_first, read_min_size


@dataclass
class Node:
    size: int


NODES = [Node(size) for size in [10, 30, 20, 30, 5]]


class LargestFirst(unittest.TestCase):
    def test_the_largest_nodes_get_a_layer_each(self):
        self.assertEqual(largest_first(NODES, 5, 0), ([1, 3, 2, 0, 4], []))
        self.assertEqual(largest_first(NODES, 4, 0), ([1, 3, 2], [0, 4]))
        self.assertEqual(largest_first(NODES, 1, 0), ([], [0, 1, 2, 3, 4]))

    def test_small_nodes_share_the_last_layer(self):
        self.assertEqual(largest_first(NODES, 9, 20), ([1, 3, 2], [0, 4]))
        self.assertEqual(largest_first(NODES, 9, 2**64 - 1), ([], [0, 1, 2, 3, 4]))
        self.assertEqual(largest_first([], 1, 0), ([], []))

    def test_labels_are_cut_between_characters(self):
        self.assertEqual(label_of("glibc"), "glibc")
        self.assertEqual(label_of("a" + "é" * 150), "a" + "é" * 99)


class Settings(unittest.TestCase):
    def test_settings_are_read(self):
        self.assertEqual(read_min_size("{}"), 1048576)
        self.assertEqual(read_min_size('{"min-size": 0}'), 0)

    def test_wrong_settings_are_named(self):
        for value in ["-1", "1.5", '"12"', "true", "null", "[]"]:
            with self.assertRaisesRegex(InvalidConfig, "`min-size` must be an integer of at least 0"):
                read_min_size(f'{{"min-size": {value}}}')
        with self.assertRaisesRegex(InvalidConfig, "unknown setting `min-sise`"):
            read_min_size('{"min-sise": 1}')
        with self.assertRaisesRegex(InvalidConfig, "must be a JSON object"):
            read_min_size("[]")


if __name__ == "__main__":
    unittest.main()
