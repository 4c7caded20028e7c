/** Names what must hold of the books, in the order of a report. The README of this package says how each is enforced. */
export const invariants = {
  I1: "balance = sum of entries",
  I2: "held = sum of open holds",
  I3: "balance ≥ held ≥ 0",
  I4: "at most one charge per hold",
  I5: "captured ⇔ charged",
  I6: "sequence and hash chain of each account unbroken",
  I7: "each charge and credit = its entries, each entry has one: money in − money out = money there",
  I8: "no open hold of an instance dead for over 35 s",
  I9: "cost = usage × price version",
  I11: "roll-ups = charges and their corrections",
  I12: "what limits count as under way = open holds",
  I13: "codes = their batch's line in the audit log; redeemed ones = what was credited",
  I14: "limits of keys and users = what the newest act in the audit log set",
  REF: "every reference leads to where it belongs",
  AUD: "hash chain of the audit log unbroken",
  HEAD: "what was kept of the books outside the database still stands in them",
} as const;

export type Invariant = keyof typeof invariants;
