export function keepLogWithin(file: string, limits?: { maxFileBytes?: number; kept?: number }): void;
