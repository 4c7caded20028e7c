/** What the server says, in Chinese; the English sentence is the key. */
const messages: Readonly<Record<string, string>> = {
  "Some fields need your attention.": "请检查标出的内容。",
  "Enter a valid e-mail address.": "请输入有效的邮箱地址。",
  "A password has at least 8 characters.": "密码至少 8 位。",
  "A password has at most 128 characters.": "密码最多 128 位。",
  "The e-mail address or the password is wrong.": "邮箱或密码错误。",
  "Too many attempts. Try again in a quarter of an hour.": "尝试次数过多，请 15 分钟后再试。",
  "Registration is closed.": "注册已关闭。",
  "This e-mail address is registered already.": "该邮箱已注册。",
  "The set-up token is not the one that the start printed.": "设置令牌不正确，请使用启动时打印的链接。",
  "The set-up is done.": "系统已完成初始化。",
  "Enter the OpenAI API key.": "请输入 OpenAI API Key。",
  "Enter the key of the upstream.": "请输入上游 API Key。",
  "Enter an address such as https://api.openai.com/v1.": "请输入形如 https://api.openai.com/v1 的地址。",
  "The address must be public and start with https; a setting allows private ones.":
    "地址必须是公网 https 地址；可在设置中允许内网地址。",
  "The upstream refuses this key.": "上游拒绝了该 Key。",
  "The upstream cannot be reached.": "无法连接上游。",
  "Enter an amount in dollars, e.g. 5.00.": "请输入美元金额，例如 5.00。",
  "Enter an amount of zero or more.": "金额不能小于零。",
  "Enter an amount above or below zero.": "金额不能为零。",
  "The free balance does not cover what would be taken.": "可用余额不足以扣减。",
  "Give the key a name.": "请为密钥命名。",
  "The API key does not exist.": "该密钥不存在。",
};

export const sayInChinese = (message: string): string => messages[message] ?? message;
