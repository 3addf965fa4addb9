import assert from "node:assert/strict";
import { test } from "node:test";

import { labelOf, largestFirst, readMinSize } from "../src/largest.js";

const sizes = [10, 30, 20, 30, 5];
const nodes = sizes.map((size) => ({ size }));

test("the largest nodes get a layer each", () => {
  assert.deepEqual(largestFirst(nodes, 5, 0), { alone: [1, 3, 2, 0, 4], together: [] });
  assert.deepEqual(largestFirst(nodes, 4, 0), { alone: [1, 3, 2], together: [0, 4] });
  assert.deepEqual(largestFirst(nodes, 1, 0), { alone: [], together: [0, 1, 2, 3, 4] });
});

test("small nodes share the last layer", () => {
  assert.deepEqual(largestFirst(nodes, 9, 20), { alone: [1, 3, 2], together: [0, 4] });
  assert.deepEqual(largestFirst(nodes, 9, Number.MAX_VALUE), { alone: [], together: [0, 1, 2, 3, 4] });
  assert.deepEqual(largestFirst([], 1, 0), { alone: [], together: [] });
});

test("sizes may be BigInt", () => {
  const bigNodes = sizes.map((size) => ({ size: BigInt(size) }));
  assert.deepEqual(largestFirst(bigNodes, 4, 20), { alone: [1, 3, 2], together: [0, 4] });
});

test("labels are cut between characters", () => {
  assert.equal(labelOf("glibc"), "glibc");
  assert.equal(labelOf("a" + "é".repeat(150)), "a" + "é".repeat(99));
  assert.equal(labelOf("😀".repeat(60)), "😀".repeat(50));
});

test("settings are read", () => {
  assert.equal(readMinSize("{}"), 1048576);
  assert.equal(readMinSize('{"min-size": 0}'), 0);
});

test("wrong settings are named", () => {
  for (const value of ["-1", "1.5", '"12"', "true", "null", "[]"]) {
    assert.throws(() => readMinSize(`{"min-size": ${value}}`), /`min-size` must be an integer of at least 0/);
  }
  assert.throws(() => readMinSize('{"min-sise": 1}'), /unknown setting `min-sise`/);
  assert.throws(() => readMinSize("[]"), /must be a JSON object/);
});
