/** What the server says, in Chinese; the English sentence is the key. */
export const serverMessagesZh: Readonly<Record<string, string>> = {
  "Something went wrong.": "发生了意外错误，我们已记录。请稍后再试。",
  "The database cannot be reached.": "数据库暂时无法连接，请稍后再试。",
  "Some fields need your attention.": "请检查标出的内容。",
  "Enter a valid e-mail address.": "请输入有效的邮箱地址。",
  "A password has at least 8 characters.": "密码至少 8 位。",
  "A password has at most 128 characters.": "密码最多 128 位。",
  "The e-mail address or the password is wrong.": "邮箱或密码错误。",
  "Too many attempts. Try again in a quarter of an hour.": "尝试次数过多，请 15 分钟后再试。",
  "Too many attempts at once. Try again in a moment.": "同时尝试次数过多，请稍后再试。",
  "Too many people are logging in at this moment. Try again in a few seconds.": "当前登录人数过多，请几秒后再试。",
  "Registration is closed.": "注册已关闭。",
  "This e-mail address is registered already.": "该邮箱已注册。",
  "The set-up token is not the one that the start printed.": "设置令牌不正确，请使用启动时打印的链接。",
  "The set-up is done.": "系统已完成初始化。",
  "Enter the OpenAI API key.": "请输入 OpenAI API密钥。",
  "Enter the key of the upstream.": "请输入上游的 API密钥。",
  "Enter an address such as https://api.openai.com/v1.": "请输入形如 https://api.openai.com/v1 的地址。",
  "The address must be public and start with https; a setting allows private ones.":
    "地址必须是公网 https 地址；可在设置中允许内网地址。",
  "The upstream refuses this key.": "上游拒绝了该密钥。",
  "The upstream cannot be reached.": "无法连接上游。",
  "The upstream's host was not found.": "找不到上游的主机名，请检查地址。",
  "The upstream did not answer in time.": "上游没有及时响应。",
  "Enter an amount in dollars, e.g. 5.00.": "请输入美元金额，例如 5.00。",
  "Enter an amount of zero or more.": "金额不能小于零。",
  "Enter an amount above zero.": "金额必须大于零。",
  "Enter an amount above or below zero.": "金额不能为零。",
  "The free balance does not cover what would be taken.": "可用余额不足以扣减。",
  "Give the key a name.": "请为密钥命名。",
  "Give the upstream a name.": "请为上游命名。",
  "The API key does not exist.": "该密钥不存在。",
  "The key has another secret by now; look at the list again.": "该密钥已被更换，请查看最新列表。",
  "Enter a smaller number.": "请输入较小的数。",
  "A user may have at most 100 keys.": "每个用户最多 100 个密钥。",
  "Enter a code.": "请输入兑换码。",
  "This code is unknown, used or expired.": "兑换码无效、已使用或已过期。",
  "The amount is below the minimum top-up in the settings.": "面额低于系统设置中的最小充值金额。",
  "Enter your current password.": "请输入当前密码。",
  "The current password is wrong.": "当前密码错误。",
  "The session does not exist.": "该会话不存在。",
  "Enter a whole number.": "请输入整数。",
  "Enter at least 1.": "至少为 1。",
  "Enter at most 1000.": "最多 1000。",
  "Enter a percentage.": "请输入百分比。",
  "Enter a number of hours.": "请输入小时数。",
  "Enter addresses or networks such as 10.0.0.0/8.": "请输入 IP 或网段，例如 10.0.0.0/8。",
  "Enter a date.": "请选择日期。",
  "Enter the name of the model.": "请输入模型名称。",
  "Enter dollars per million with at most six places.": "请输入每百万的美元价格，最多六位小数。",
  "Choose at least one model.": "请至少选择一个模型。",
  "At least one upstream must stay enabled.": "至少要有一个启用的上游。",
  "The upstream does not exist.": "该上游不存在。",
  "The charge does not exist.": "该费用记录不存在。",
  "An exact charge is not refunded.": "按实际用量计费的记录不能退款。",
  "The charge cost nothing.": "该费用为零。",
  "The charge was refunded before.": "该费用已退款。",
  "There is no price for this model.": "该模型没有价格。",
  "There is an owner already; reset-password lets them in again.": "已有所有者；可用 reset-password 重设其密码。",
  "The user does not exist.": "该用户不存在。",
  "There is no such user whose status can be changed.": "不能修改该用户的状态。",
  "Enter the address of the webhook.": "请输入 Webhook 地址。",
  "Enter an address such as https://example.com/alerts.": "请输入形如 https://example.com/alerts 的地址。",
  "Enter a secret of at least 16 characters.": "请输入至少 16 位的密钥。",
  "Enter an address such as smtps://user:password@mail.example.com.":
    "请输入形如 smtps://用户名:密码@mail.example.com 的地址。",
  "The mail server must be public; a setting allows private ones.":
    "邮件服务器必须是公网地址；可在设置中允许内网地址。",
  "The webhook answered with a redirect, which is not followed.": "Webhook 返回了重定向，不会跟随。",
  "The webhook did not answer in time.": "Webhook 没有及时响应。",
  "The webhook's host was not found.": "找不到 Webhook 的主机名，请检查地址。",
  "The webhook offers no valid encryption.": "Webhook 没有提供有效的加密连接。",
  "The webhook cannot be reached.": "无法连接 Webhook。",
  "The mail server refuses the user name or the password.": "邮件服务器拒绝了用户名或密码。",
  "The mail server asks for a user name and a password.": "邮件服务器要求用户名和密码。",
  "The mail server's host was not found.": "找不到邮件服务器的主机名，请检查地址。",
  "The mail server did not answer in time.": "邮件服务器没有及时响应。",
  "The mail server offers no valid encryption.": "邮件服务器没有提供有效的加密连接。",
  "The mail server cannot be reached.": "无法连接邮件服务器。",
};

/** What ends in something that only the other side knows. */
const serverPatternsZh: readonly [pattern: RegExp, zh: (rest: string) => string][] = [
  [/^The upstream answered with status (\d+)\.$/, (status) => `上游返回状态 ${status}。`],
  [/^The webhook answered with status (\d+)\.$/, (status) => `Webhook 返回状态 ${status}。`],
  [/^The mail server refuses the message: (.*)$/s, (words) => `邮件服务器拒收：${words}`],
];

/** In Chinese; what is not known stays as it is. */
export function serverMessageZh(message: string): string {
  for (const [pattern, zh] of serverPatternsZh) {
    const rest = pattern.exec(message)?.[1];
    if (rest !== undefined) return zh(rest);
  }
  return serverMessagesZh[message] ?? message;
}
