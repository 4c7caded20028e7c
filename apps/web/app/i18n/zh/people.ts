/** Users, invitations, roles and log-ins, in Chinese. */
export const people = {
  copyFailed: "未能复制，内容已选中，请手动复制（Ctrl/⌘ C）。",
};
