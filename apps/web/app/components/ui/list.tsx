/** Rows under named columns: a table, on a phone a card for each row that names its cells itself. */
import type { ReactNode } from "react";
import { Pager, type Paging } from "./page";

export type Column<Row> = {
  name: string;
  of: (row: Row) => ReactNode;
  /** Numbers stand one below the other, at the right. */
  isNumber?: boolean;
  /** On a card its cells, of buttons, speak for themselves. */
  isUnnamed?: boolean;
  /** On a tablet it gives its room to the others. */
  isHiddenOnTablets?: boolean;
  /** Of the cells. */
  className?: string;
  title?: (row: Row) => string;
};

type ListProps<Row> = {
  rows: Row[];
  keyOf: (row: Row) => string;
  columns: Column<Row>[];
  /** What stands there while there are no rows. */
  empty: ReactNode;
  /** Between the rows and the pages. */
  sum?: ReactNode;
  paging?: Paging;
};

export function List<Row>({ rows, keyOf, columns, empty, sum, paging }: ListProps<Row>) {
  if (rows.length === 0) return empty;
  return (
    <>
      <table className="table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} className={placeOf(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td
                  key={column.name}
                  data-label={column.isUnnamed ? undefined : column.name}
                  className={placeOf(column, column.className)}
                  title={column.title?.(row)}
                >
                  {column.of(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {sum}
      {paging && <Pager {...paging} />}
    </>
  );
}

const placeOf = <Row,>({ isNumber, isHiddenOnTablets }: Column<Row>, ...more: (string | undefined)[]) =>
  [isNumber && "number", isHiddenOnTablets && "md:max-xl:hidden", ...more].filter(Boolean).join(" ") || undefined;
