/** Whether who looks at a page may change what it shows. */
import { createContext, useContext, type ReactNode } from "react";

export const ReadOnlyContext = createContext(false);

/** What only those who may change things are shown: buttons that open forms, forms of one button. */
export function Changes({ children }: { children: ReactNode }) {
  return useContext(ReadOnlyContext) ? null : children;
}

export const useReadOnly = (): boolean => useContext(ReadOnlyContext);
