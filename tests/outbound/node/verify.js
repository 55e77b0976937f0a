// Takes deliveries as a list in JSON; prints the id of each, and fails if one is not genuine.
const { Webhook } = require("standardwebhooks");

for (const { secret, headers, body } of JSON.parse(process.argv[2])) {
  console.log(new Webhook(secret).verify(body, headers).id);
}
