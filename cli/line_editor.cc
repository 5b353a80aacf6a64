#include "cli/line_editor.h"

#include <histedit.h>
#include <locale.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/string_view.h"
#include "cli/completion.h"
#include "cli/terminal_text.h"

namespace tandem {
namespace {

constexpr int kHistory = 1000;  // lines

// libedit decodes what is typed by its thread's locale.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    uselocale(before_);
    freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  const locale_t locale_;
  locale_t before_ = nullptr;
};

}  // namespace

class LineEditor::Impl {
 public:
  explicit Impl(std::string prompt)
      : prompt_(std::move(prompt)),
        history_(history_init()),
        editor_(el_init("tandem", stdin, stdout, stderr)) {
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistory);
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &Impl::Prompt);
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_SIGNAL, 1);
    el_set(editor_, EL_ADDFN, "tandem-complete", "Completes", &Impl::OnTab);
    el_set(editor_, EL_ADDFN, "tandem-stop", "Drops the line", &Impl::OnCtrlC);
    el_set(editor_, EL_BIND, "^I", "tandem-complete", nullptr);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_source(editor_, nullptr);
    el_set(editor_, EL_BIND, "^C", "tandem-stop", nullptr);
  }
  ~Impl() {
    el_end(editor_);
    history_end(history_);
  }

  TypedLine Read() {
    const Utf8Locale utf8;
    std::fflush(stdout);
    // Ctrl-C is a key like any other. In this order: when libedit takes the
    // terminal it may find other settings than it knew, and forget this one.
    el_set(editor_, EL_PREP_TERM, 1);
    el_set(editor_, EL_SETTY, "-d", "intr=", nullptr);
    stopped_ = false;
    int length = 0;
    const char* typed = el_gets(editor_, &length);
    if (typed == nullptr || length <= 0) {
      return {stopped_ ? TypedLine::Kind::kInterrupted : TypedLine::Kind::kEnd};
    }
    absl::string_view text(typed);
    if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    TypedLine line = {
        stopped_ ? TypedLine::Kind::kInterrupted : TypedLine::Kind::kLine,
        std::string(text)};
    if (!stopped_) Remember(line.text);
    return line;
  }

 private:
  static Impl& Of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  static char* Prompt(EditLine* editor) { return Of(editor).prompt_.data(); }
  static unsigned char OnTab(EditLine* editor, int) {
    return Of(editor).Complete();
  }
  static unsigned char OnCtrlC(EditLine* editor, int) {
    Of(editor).stopped_ = true;
    std::fputs("^C\n", stdout);
    return CC_NEWLINE;
  }

  unsigned char Complete() {
    const LineInfo& line = *el_line(editor_);
    const Completion found = tandem::Complete(
        absl::string_view(line.buffer, line.cursor - line.buffer));
    if (found.candidates.empty()) return CC_REFRESH_BEEP;
    if (!found.insert.empty()) {
      return el_insertstr(editor_, found.insert.c_str()) == 0 ? CC_REFRESH
                                                              : CC_ERROR;
    }
    std::fputc('\n', stdout);
    for (const std::string& candidate : found.candidates) {
      std::fprintf(stdout, "%s  ", OneLine(candidate).c_str());
    }
    std::fputc('\n', stdout);
    return CC_REDISPLAY;
  }

  void Remember(const std::string& text) {
    if (text.empty()) return;
    HistEvent event;
    history(history_, &event, H_ENTER, text.c_str());
  }

  std::string prompt_;
  History* const history_;
  EditLine* const editor_;
  bool stopped_ = false;  // by Ctrl-C, in this Read
};

LineEditor::LineEditor(std::string prompt)
    : impl_([&] {
        // Which keys are letters is decided when libedit begins.
        const Utf8Locale utf8;
        return std::make_unique<Impl>(std::move(prompt));
      }()) {}
LineEditor::~LineEditor() = default;

TypedLine LineEditor::Read() { return impl_->Read(); }

}  // namespace tandem
