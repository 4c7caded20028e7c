/** Makes the folder of an installation's data, which is nobody else's to read. */
import { mkdirSync } from "node:fs";

/** Root's embedded PostgreSQL runs as another user, who passes through the folder; what lies in it is closed to others. */
const modeOf = (uid: number | undefined): number => (uid === 0 ? 0o711 : 0o700);

export function makeDataFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: modeOf(process.getuid?.()) });
}
