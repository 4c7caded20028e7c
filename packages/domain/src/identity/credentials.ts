/** What people type to get in; the same rules in the browser and here. */
import { z } from "zod";
import { isStorable } from "../inputs/checks.ts";

export const emailSchema = z
  .string()
  .trim()
  .toLowerCase()
  .max(254, { abort: true })
  .pipe(z.email("Enter a valid e-mail address."));
export const passwordSchema = z
  .string()
  .min(8, "A password has at least 8 characters.")
  .max(128, { error: "A password has at most 128 characters.", abort: true })
  .refine(isStorable, "This has characters that cannot be kept.");
export const credentialsSchema = z.strictObject({ email: emailSchema, password: passwordSchema });
export type Credentials = z.infer<typeof credentialsSchema>;
