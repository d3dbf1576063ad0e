#include "sim/scenario/grammar.h"

#include <array>
#include <vector>

#include "sim/scenario/tree.h"

namespace harrow::sim {

namespace {

tl::unexpected<std::string> fail(std::string text) { return tl::unexpected<std::string>(std::move(text)); }

struct Call {
  std::string_view name;
  std::string_view argument;  // between the parentheses
  bool called = false;
};
/// `name` or `name(argument)`.
Parsed<Call> parse_call(std::string_view text) {
  text = trimmed(text);
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos) return Call{text, {}, false};
  if (text.back() != ')' || text.find('(', open + 1) != std::string_view::npos) return fail("unbalanced parentheses in '" + std::string(text) + "'");
  return Call{trimmed(text.substr(0, open)), trimmed(text.substr(open + 1, text.size() - open - 2)), true};
}

Parsed<std::int32_t> small_number(std::string_view text) {
  const auto number = parse_integer(text);
  if (!number) return fail(number.error());
  if (*number < 0 || *number > 1'000'000) return fail("expected a number from 0 to 1000000, found '" + std::string(text) + "'");
  return static_cast<std::int32_t>(*number);
}

struct SelectorForm {
  std::string_view name;
  Selector::Kind kind;
  enum class Argument : std::uint8_t { none, number, optional_number, partition, name, name_and_optional_number } argument;
};
using Argument = SelectorForm::Argument;
constexpr std::array<SelectorForm, 10> selector_forms{{
    {"broker", Selector::Kind::broker, Argument::number},
    {"controller", Selector::Kind::controller, Argument::optional_number},
    {"leader", Selector::Kind::leader, Argument::partition},
    {"follower", Selector::Kind::follower, Argument::partition},
    {"coordinator", Selector::Kind::coordinator, Argument::name},
    {"producer", Selector::Kind::producer, Argument::name_and_optional_number},
    {"consumer", Selector::Kind::consumer, Argument::name_and_optional_number},
    {"any-broker", Selector::Kind::any_broker, Argument::none},
    {"minority", Selector::Kind::minority, Argument::none},
    {"all", Selector::Kind::all, Argument::none},
}};

struct MeasureForm {
  std::string_view name;
  Clause::Measure measure;
  Argument argument;
};
constexpr std::array<MeasureForm, 11> measure_forms{{
    {"isr", Clause::Measure::isr, Argument::partition},
    {"leader", Clause::Measure::leader, Argument::partition},
    {"leader-epoch", Clause::Measure::leader_epoch, Argument::partition},
    {"high-watermark", Clause::Measure::high_watermark, Argument::partition},
    {"under-replicated", Clause::Measure::under_replicated, Argument::none},
    {"offline", Clause::Measure::offline, Argument::none},
    {"lag", Clause::Measure::lag, Argument::name},
    {"members", Clause::Measure::members, Argument::name},
    {"active-controller", Clause::Measure::active_controller, Argument::none},
    {"controller", Clause::Measure::active_controller, Argument::none},
    {"time", Clause::Measure::time, Argument::none},
}};
constexpr std::array<std::pair<std::string_view, Clause::Compare>, 7> compares{{
    {"<=", Clause::Compare::less_equal},
    {">=", Clause::Compare::greater_equal},
    {"==", Clause::Compare::equal},
    {"!=", Clause::Compare::not_equal},
    {"<", Clause::Compare::less},
    {">", Clause::Compare::greater},
    {"=", Clause::Compare::equal},
}};

Parsed<bool> take_argument(const Call& call, Argument form, std::string& name, std::int32_t& index) {
  const std::string shown(call.name);
  switch (form) {
    case Argument::none:
      if (call.called) return fail("'" + shown + "' takes no argument");
      return true;
    case Argument::number:
    case Argument::optional_number: {
      if (!call.called && form == Argument::optional_number) return true;
      const auto number = call.called ? small_number(call.argument) : Parsed<std::int32_t>(fail("expected a number, as in " + shown + "(2)"));
      if (!number) return fail(number.error());
      index = *number;
      return true;
    }
    case Argument::partition: {
      if (!call.called) return fail("expected a partition, as in " + shown + "(orders/0)");
      const auto id = parse_partition(call.argument);
      if (!id) return fail(id.error());
      name = id->topic;
      index = id->partition;
      return true;
    }
    case Argument::name:
      if (!call.called || call.argument.empty()) return fail("expected a name, as in " + shown + "(billing)");
      name = call.argument;
      return true;
    case Argument::name_and_optional_number: {
      if (!call.called || call.argument.empty()) return fail("expected a name, as in " + shown + "(billing) or " + shown + "(billing/1)");
      const std::size_t slash = call.argument.rfind('/');
      name = call.argument.substr(0, slash);
      if (slash == std::string_view::npos) return true;
      const auto number = small_number(call.argument.substr(slash + 1));
      if (!number) return fail(number.error());
      index = *number;
      return true;
    }
  }
  return true;
}

std::vector<std::string_view> split_arguments(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t comma = text.find(',');
    parts.push_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text = text.substr(comma + 1);
  }
}

Parsed<std::int64_t> quantity(std::string_view text, Measured measured) {
  switch (measured) {
    case Measured::time: return parse_duration_ns(text);
    case Measured::bytes: return parse_bytes(text);
    case Measured::number: return parse_integer(text);
  }
  return parse_integer(text);
}

std::string quantity_text(std::int64_t value, Measured measured) {
  switch (measured) {
    case Measured::time: return duration_text(value);
    case Measured::bytes: return bytes_text(value);
    case Measured::number: return std::to_string(value);
  }
  return "";
}

}  // namespace

Parsed<TopicPartitionText> parse_partition(std::string_view text) {
  const std::size_t slash = text.rfind('/');
  const std::string hint = "expected topic/partition, as in orders/0, found '" + std::string(text) + "'";
  if (slash == std::string_view::npos || slash == 0) return fail(hint);
  const auto number = small_number(text.substr(slash + 1));
  if (!number) return fail(hint);
  return TopicPartitionText{std::string(trimmed(text.substr(0, slash))), *number};
}

Parsed<Selector> parse_selector(std::string_view text) {
  text = trimmed(text);
  for (const auto& [prefix, kind] : {std::pair{std::string_view("rack:"), Selector::Kind::rack}, std::pair{std::string_view("zone:"), Selector::Kind::zone}}) {
    if (text.substr(0, prefix.size()) != prefix) continue;
    const std::string_view name = trimmed(text.substr(prefix.size()));
    if (name.empty()) return fail("expected a name after '" + std::string(prefix) + "'");
    return Selector{kind, std::string(name), -1};
  }
  const auto call = parse_call(text);
  if (!call) return fail(call.error());
  std::vector<std::string_view> names{"rack", "zone"};
  for (const SelectorForm& form : selector_forms) {
    names.push_back(form.name);
    if (call->name != form.name) continue;
    Selector selector{form.kind, "", -1};
    if (const auto taken = take_argument(*call, form.argument, selector.name, selector.index); !taken) return fail(taken.error());
    if (form.kind == Selector::Kind::controller && !call->called) selector.kind = Selector::Kind::active_controller;
    return selector;
  }
  if (call->name == "rack" || call->name == "zone") return fail("expected " + std::string(call->name) + ":name");
  return fail("expected a selector such as broker(2), controller, leader(orders/0), rack:a or any-broker, found '" + std::string(text) + "'" + did_you_mean(call->name, names));
}

Parsed<Condition> parse_condition(std::string_view text) {
  Condition condition;
  while (true) {
    const std::size_t joint = text.find(" and ");
    const std::string_view part = trimmed(text.substr(0, joint));
    std::size_t at = std::string_view::npos;
    std::string_view sign;
    Clause clause;
    for (const auto& [name, compare] : compares) {
      const std::size_t found = part.find(name);
      if (found == std::string_view::npos || (at != std::string_view::npos && found >= at)) continue;
      at = found;
      sign = name;
      clause.compare = compare;
    }
    if (at == std::string_view::npos) return fail("expected a comparison such as isr(orders/0) < 3, found '" + std::string(part) + "'");
    const auto call = parse_call(part.substr(0, at));
    if (!call) return fail(call.error());
    const MeasureForm* chosen = nullptr;
    std::vector<std::string_view> names;
    for (const MeasureForm& form : measure_forms) {
      names.push_back(form.name);
      if (form.name == call->name) chosen = &form;
    }
    if (chosen == nullptr)
      return fail("unknown measure '" + std::string(call->name) + "'" + did_you_mean(call->name, names) +
                  ": expected isr, leader, leader-epoch, high-watermark, under-replicated, offline, lag, members, active-controller or time");
    clause.measure = chosen->measure;
    if (const auto taken = take_argument(*call, chosen->argument, clause.name, clause.index); !taken) return fail(taken.error());
    const std::string_view right = trimmed(part.substr(at + sign.size()));
    const auto number = clause.measure == Clause::Measure::time ? parse_duration_ns(right) : parse_integer(right);
    if (!number) return fail(number.error());
    clause.number = *number;
    condition.push_back(std::move(clause));
    if (joint == std::string_view::npos) return condition;
    text = text.substr(joint + 5);
  }
}

Parsed<Distribution> parse_distribution(std::string_view text, Measured measured) {
  text = trimmed(text);
  using Shape = Distribution::Shape;
  const auto positive = [](const Parsed<std::int64_t>& value) { return value && *value < 0 ? Parsed<std::int64_t>(fail("must not be negative")) : value; };
  if (const std::size_t dots = text.find(".."); dots != std::string_view::npos && text.find('(') == std::string_view::npos) {
    const auto low = positive(quantity(text.substr(0, dots), measured));
    const auto high = positive(quantity(text.substr(dots + 2), measured));
    if (!low) return fail(low.error());
    if (!high) return fail(high.error());
    if (*high < *low) return fail("the range '" + std::string(text) + "' ends before it begins");
    return Distribution{Shape::uniform, *low, *high};
  }
  const auto call = parse_call(text);
  if (!call) return fail(call.error());
  if (!call->called) {
    const auto value = quantity(text, measured);
    if (!value) return fail(value.error() + ", or a distribution such as exp(...), uniform(low, high), normal(mean, deviation), lognormal(median, sigma)");
    if (*value < 0) return fail("must not be negative: '" + std::string(text) + "'");
    return Distribution{Shape::constant, *value, 0};
  }
  const auto arguments = split_arguments(call->argument);
  const auto wants = [&](std::size_t count) { return arguments.size() == count; };
  const std::string shown(text);
  if (call->name == "exp") {
    if (!wants(1)) return fail("expected exp(mean), found '" + shown + "'");
    const auto mean = positive(quantity(arguments[0], measured));
    if (!mean) return fail(mean.error());
    return Distribution{Shape::exp, *mean, 0};
  }
  if (call->name == "uniform") {
    if (!wants(2)) return fail("expected uniform(low, high), found '" + shown + "'");
    const auto low = positive(quantity(arguments[0], measured));
    const auto high = positive(quantity(arguments[1], measured));
    if (!low) return fail(low.error());
    if (!high) return fail(high.error());
    if (*high < *low) return fail("the range '" + shown + "' ends before it begins");
    return Distribution{Shape::uniform, *low, *high};
  }
  if (call->name == "normal") {
    if (!wants(2)) return fail("expected normal(mean, deviation), found '" + shown + "'");
    const auto mean = quantity(arguments[0], measured);
    const auto deviation = positive(quantity(arguments[1], measured));
    if (!mean) return fail(mean.error());
    if (!deviation) return fail(deviation.error());
    return Distribution{Shape::normal, *mean, *deviation};
  }
  if (call->name == "lognormal") {
    if (!wants(2)) return fail("expected lognormal(median, sigma), found '" + shown + "'");
    const auto median = positive(quantity(arguments[0], measured));
    const auto sigma = parse_millionths(arguments[1]);
    if (!median) return fail(median.error());
    if (!sigma) return fail(sigma.error());
    if (*sigma < 0 || *sigma > 4'000'000) return fail("expected a sigma from 0 to 4, found '" + std::string(arguments[1]) + "'");
    return Distribution{Shape::lognormal, *median, *sigma};
  }
  std::vector<std::string_view> names{"exp", "uniform", "normal", "lognormal"};
  if (measured == Measured::number) names.push_back("zipf");
  if (call->name == "zipf" && measured == Measured::number) return parse_keys(text);
  return fail("unknown distribution '" + std::string(call->name) + "'" + did_you_mean(call->name, names) +
              ": expected exp(mean), uniform(low, high), normal(mean, deviation) or lognormal(median, sigma)");
}

Parsed<Distribution> parse_keys(std::string_view text) {
  text = trimmed(text);
  using Shape = Distribution::Shape;
  if (text == "none") return Distribution{Shape::constant, -1, 0};
  const auto call = parse_call(text);
  if (!call) return fail(call.error());
  const std::string hint = "expected none, uniform(10k) or zipf(10k, 0.99), found '" + std::string(text) + "'";
  if (!call->called) return fail(hint);
  const auto arguments = split_arguments(call->argument);
  const auto items = parse_integer(arguments[0]);
  if (!items) return fail(items.error());
  if (*items < 1 || *items > 1'000'000'000) return fail("expected 1 to 1G keys, found '" + std::string(arguments[0]) + "'");
  if (call->name == "uniform" && arguments.size() == 1) return Distribution{Shape::uniform, 0, *items - 1};
  if (call->name == "zipf" && arguments.size() == 2) {
    const auto exponent = parse_millionths(arguments[1]);
    if (!exponent) return fail(exponent.error());
    if (*exponent < 0 || *exponent > 4'000'000) return fail("expected an exponent from 0 to 4, found '" + std::string(arguments[1]) + "'");
    return Distribution{Shape::zipf, *items, *exponent};
  }
  return fail(hint);
}

std::string to_text(const Distribution& d, Measured measured) {
  const auto shown = [&](std::int64_t value) { return quantity_text(value, measured); };
  switch (d.shape) {
    case Distribution::Shape::constant: return shown(d.a);
    case Distribution::Shape::uniform: return "uniform(" + shown(d.a) + ", " + shown(d.b) + ")";
    case Distribution::Shape::exp: return "exp(" + shown(d.a) + ")";
    case Distribution::Shape::normal: return "normal(" + shown(d.a) + ", " + shown(d.b) + ")";
    case Distribution::Shape::lognormal: return "lognormal(" + shown(d.a) + ", " + millionths_text(d.b) + ")";
    case Distribution::Shape::zipf: return "zipf(" + std::to_string(d.a) + ", " + millionths_text(d.b) + ")";
  }
  return "";
}

std::string to_text(const Selector& s) {
  using Kind = Selector::Kind;
  const std::string index = std::to_string(s.index);
  switch (s.kind) {
    case Kind::broker: return "broker(" + index + ")";
    case Kind::active_controller: return "controller";
    case Kind::controller: return "controller(" + index + ")";
    case Kind::leader: return "leader(" + s.name + "/" + index + ")";
    case Kind::follower: return "follower(" + s.name + "/" + index + ")";
    case Kind::coordinator: return "coordinator(" + s.name + ")";
    case Kind::rack: return "rack:" + s.name;
    case Kind::zone: return "zone:" + s.name;
    case Kind::producer: return "producer(" + s.name + (s.index < 0 ? "" : "/" + index) + ")";
    case Kind::consumer: return "consumer(" + s.name + (s.index < 0 ? "" : "/" + index) + ")";
    case Kind::any_broker: return "any-broker";
    case Kind::minority: return "minority";
    case Kind::all: return "all";
  }
  return "";
}

std::string to_text(const Condition& condition) {
  std::string text;
  for (const Clause& clause : condition) {
    if (!text.empty()) text += " and ";
    for (const MeasureForm& form : measure_forms) {
      if (form.measure != clause.measure) continue;
      text += form.name;
      if (form.argument == Argument::partition) text += "(" + clause.name + "/" + std::to_string(clause.index) + ")";
      if (form.argument == Argument::name) text += "(" + clause.name + ")";
      break;
    }
    for (const auto& [sign, compare] : compares) {
      if (compare != clause.compare) continue;
      text += " " + std::string(sign) + " ";
      break;
    }
    text += clause.measure == Clause::Measure::time ? duration_text(clause.number) : std::to_string(clause.number);
  }
  return text;
}

}  // namespace harrow::sim
