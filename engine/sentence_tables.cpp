#include "engine/sentence_tables.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace tts {

namespace {

struct Listed {
  Abbreviation kind;
  std::string_view language;  // "": all
  const char16_t* words;      // between blanks
};

// clang-format off
constexpr Listed kAbbreviations[] = {
    // English
    {Abbreviation::always, "", u"mr mrs ms dr prof rev hon gen col maj capt cmdr lt sgt cpl sen rep gov pres supt mt ft messrs mme mlle fr br "
                               u"dept univ assn bros approx e.g i.e viz vs cf al ave.nr"},
    {Abbreviation::number, "", u"no nos p pp vol vols fig figs ch chap sec art par ex eq ver op cit tab nr nrn s bd abb kap abs ziff z h "
                               u"pag pagg cap n nn fasc pág págs núm núms num t v vv tel ext apt ste rm lib st\u00fcck \u043f \u043f\u043f \u0441 \u0441\u0442\u0440 \u0440\u0438\u0441 \u0442\u0430\u0431\u043b \u0433\u043b \u0441\u0442"},
    {Abbreviation::may_end, "", u"inc ltd corp co llc plc jr sr esq st ave blvd rd ln sq a.m p.m u.s u.k u.s.a u.n e.u d.c ph.d m.d b.a m.a b.c a.d "
                                u"jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun min max hr hrs sec est "
                                u"ibid ed eds trans vols misc"},
    {Abbreviation::capital, "", u"etc ecc usw u.s.w usf \u0442.\u0434 \u0442.\u043f \u0434\u0440 \u043f\u0440 etc.."},
    // German
    {Abbreviation::always, "", u"z.b d.h u.a o.\u00e4 u.\u00e4 i.d.r z.t u.u m.e v.a s.o s.u bzw ca vgl inkl exkl zzgl ggf evtl sog bspw ggfs "
                               u"hr fr hrn frl dipl ing dipl.-ing geb verh gest hl jr. str nat phil med jur rer habil mag mio mrd tsd "
                               u"allg einschl entspr etw insb insbes lt mind n.chr ungef urspr zw stellv st.-nr "},
    {Abbreviation::may_end, "", u"chr v.chr jh jhs jhd aufl hrsg verl"},
    // French
    {Abbreviation::always, "", u"m mm mmes mlles mgr pr me dr. vve av boul bd. c.-\u00e0-d c.\u00e0.d p.ex env ste"},
    {Abbreviation::may_end, "", u"cie s.a s.a.r.l apr j.-c n.b janv f\u00e9vr avr juil d\u00e9c"},
    // Spanish
    {Abbreviation::always, "", u"sr. sra sras sres srta srtas dra dres d d\u00f1a d.\u00aa lic ing arq avda av. c/ p.ej ee ud uds vd vds excmo excma ilmo ilma sto sta mons pdo prov gral tte cnel"},
    {Abbreviation::may_end, "", u"uu ee.uu s.l a.c d.c c\u00eda"},
    // Italian
    {Abbreviation::always, "", u"sig sigg sig.ra sig.na dott dott.ssa prof.ssa avv geom rag on egr gent spett cav comm mons p.es es ca. arch dr.ssa ing.ra"},
    {Abbreviation::may_end, "", u"s.p.a s.r.l a.c. d.c. p.s"},
    // Portuguese
    {Abbreviation::always, "", u"sr.a sr.\u00aa srs sr\u00aa dr\u00aa dra. prof\u00aa profa exmo exma eng enga eng\u00ba adv des min. p.ex. tel.. trav r"},
    {Abbreviation::may_end, "", u"ltda s.a. cia"},
    // Russian
    {Abbreviation::always, "", u"\u0443\u043b \u0438\u043c \u043f\u0440\u043e\u0444 \u0434\u043e\u0446 \u0430\u043a\u0430\u0434 \u0433\u0440 \u0433-\u043d \u0433-\u0436\u0430 \u0442\u043e\u0432 \u0441\u0432 \u043f\u0440\u043e\u0441\u043f \u043f\u0440-\u0442 \u043f\u043b \u043f\u0435\u0440 \u043d\u0430\u0431 \u0448 \u0434 \u043a\u0432 \u043a\u043e\u0440\u043f \u043e\u0431\u043b \u0440-\u043d \u043f\u043e\u0441 \u0441\u0442-\u0446\u0430 "
                               u"\u0441\u043c \u0441\u0440 \u043d\u0430\u043f\u0440 \u0442.\u0435 \u0442.\u043a \u0442.\u043d \u0442.\u043e \u0442\u0435\u043b \u043e\u043a \u043c\u0438\u043d\u0438\u0441\u0442\u0440. \u0437\u0430\u043c \u043f\u043e\u043c \u0433\u0435\u043d \u043f\u043e\u043b\u043a \u043a\u0430\u043f \u043b\u0435\u0439\u0442 \u0431\u0440 \u043c\u043b \u0430\u043d\u0433\u043b \u043d\u0435\u043c \u0444\u0440 \u0440\u0443\u0441 \u043b\u0430\u0442 \u0433\u0440\u0435\u0447"},
    {Abbreviation::may_end, "", u"\u0440\u0443\u0431 \u043a\u043e\u043f \u0442\u044b\u0441 \u043c\u043b\u043d \u043c\u043b\u0440\u0434 \u043a\u0433 \u043a\u043c \u0441\u043c. \u043c\u0438\u043d \u0441\u0435\u043a \u0447 \u0432 \u0432\u0432 \u0433\u0433 \u043d.\u044d \u044d \u0438\u0437\u0434 \u0440\u0435\u0434 \u043d.\u044d. \u0434\u043e\u043b\u043b \u0435\u0432\u0440 \u044d\u043a\u0437"},
    // where languages disagree
    {Abbreviation::none, "english", u"d m me on av es r t v z h s fr"},
    {Abbreviation::number, "english", u"s pp"},
    {Abbreviation::none, "german", u"on es me al no rep sen hon"},
    {Abbreviation::none, "french", u"on es no sec mon min pr. al art"},
    {Abbreviation::none, "spanish", u"on es no me al mar sec con sun co par"},
    {Abbreviation::none, "italian", u"me al no sec mar co par ed"},
    {Abbreviation::none, "portuguese", u"me es no mar sec co par ed"},
};

constexpr const char16_t* kStarters[] = {
    u"The A An He She It They We I You This That These Those There Here But And So Or If When While After Before In On At As For To From "
    u"With However Then What Why How Who Where Which My His Her Its Our Their Your No Yes Not Now Once Since Although Because Please Let's "
    u"It's He's She's I'm We're They're That's There's Meanwhile Later Today Yesterday Tomorrow Perhaps Maybe Some Most Many All Each Every Both "
    u"Nobody Everyone Is Are Was Were Do Does Did Can Could Will Would Should Have Has Had During Until Despite Finally Next Also Still Even By",
    u"Der Die Das Ein Eine Einen Einem Einer Er Sie Es Wir Ich Du Ihr Und Aber Doch Dann Danach Dies Diese Dieser Dieses Diesen Man Im Am Auf Mit "
    u"Nach Bei F\u00fcr Zu Zum Zur Von Vom Vor Wenn Als Wie Was Wer Wo Warum Hier Da Nun Jetzt Heute Gestern Morgen Auch Nur Noch Sein Seine Ihre Mein Meine "
    u"Unser Unsere Dort Deshalb Daher Trotzdem Seit W\u00e4hrend Obwohl Weil Dabei Damals Sp\u00e4ter Schlie\u00dflich Leider Viele Alle Kein Keine Nicht Ob "
    u"Bitte Aus \u00dcber Unter Durch Gegen Ohne Um Den Dem Des",
    u"Le La Les Un Une Des Il Elle Ils Elles Je Tu Nous Vous Ce Cette Ces Cet Mais Et Ou Donc Puis Alors Dans En Sur \u00c0 Apr\u00e8s Avant Pour "
    u"Quand Si Son Sa Ses Mon Ma Mes Notre Votre Leur Leurs Aujourd'hui Hier Demain Aussi Ainsi Cependant Pourtant Comme Qui Que Quoi O\u00f9 Comment Pourquoi "
    u"Non Oui Ne Par Avec Sans Depuis Pendant Lorsque Enfin Bien Tout Tous Toutes C'est C\u2019est Ici L\u00e0 Cela \u00c7a",
    u"El Los Las Una Unos Ella Ellos Ellas \u00c9l Yo Nosotros Esto Esta Este Estos Estas Eso Esa Ese Pero Y En Por Para Cuando S\u00ed Se Su Sus "
    u"Despu\u00e9s Luego Entonces Hoy Ayer Ma\u00f1ana Ahora Con De Desde Al Lo Le Mi Tambi\u00e9n Aunque Como Qu\u00e9 Qui\u00e9n D\u00f3nde C\u00f3mo Ya Hay Sin Sobre Todos Muchos Nadie Adem\u00e1s",
    u"Gli Lui Lei Loro Noi Io Tu Voi Questo Questa Questi Quello Quella Ma E Poi Dopo Se Non Nel Nella Nei Per Su Da Di Oggi Ieri Domani Ora Anche "
    u"Quando Come Chi Che Cosa Dove Perch\u00e9 Molti Tutti Alla Al Dal Dalla \u00c8 C'\u00e8 Cos\u00ec Per\u00f2 Infatti Quindi Allora Uno",
    u"O Os As Um Uma Ele Ela Eles Elas N\u00f3s Eu Isto Isso Mas Depois N\u00e3o Em Na Nos Nas Com Seu Sua Seus Suas Hoje Ontem Amanh\u00e3 Agora Tamb\u00e9m "
    u"Embora Quem Onde J\u00e1 H\u00e1 Sem Muitos Ningu\u00e9m Ao \u00c0s Ent\u00e3o Assim Minha Meu Esse Essa Aquele Aquela Voc\u00ea Foi",
    u"\u041e\u043d \u041e\u043d\u0430 \u041e\u043d\u043e \u041e\u043d\u0438 \u041c\u044b \u0412\u044b \u042f \u0422\u044b \u042d\u0442\u043e \u042d\u0442\u043e\u0442 \u042d\u0442\u0430 \u042d\u0442\u0438 \u0412 \u0412\u043e \u041d\u0430 \u041f\u043e \u0421 \u0421\u043e \u041a \u0418\u0437 \u0423 \u041e \u041e\u0431 \u0418 \u0410 \u041d\u043e \u0414\u0430 \u041d\u0435\u0442 \u041d\u0435 \u041f\u043e\u0442\u043e\u043c \u0417\u0430\u0442\u0435\u043c \u041a\u043e\u0433\u0434\u0430 \u0415\u0441\u043b\u0438 \u0427\u0442\u043e \u041a\u0442\u043e "
    u"\u041a\u0430\u043a \u0413\u0434\u0435 \u0422\u0430\u043c \u0422\u0443\u0442 \u0417\u0434\u0435\u0441\u044c \u041f\u043e\u0441\u043b\u0435 \u0414\u043e \u0422\u0430\u043a \u0422\u043e\u0433\u0434\u0430 \u0422\u0435\u043f\u0435\u0440\u044c \u0421\u0435\u0433\u043e\u0434\u043d\u044f \u0412\u0447\u0435\u0440\u0430 \u0417\u0430\u0432\u0442\u0440\u0430 \u0415\u0433\u043e \u0415\u0451 \u0418\u0445 \u041c\u043e\u0439 \u041d\u0430\u0448 \u0412\u0441\u0435 \u0412\u0441\u0451 \u041e\u0434\u043d\u0430\u043a\u043e \u041f\u043e\u0447\u0435\u043c\u0443 \u0423\u0436\u0435 \u0415\u0449\u0451 \u0414\u043b\u044f \u0417\u0430 "
    u"\u041f\u0440\u0438 \u041c\u043d\u043e\u0433\u0438\u0435 \u041d\u0438\u043a\u0442\u043e \u0421\u0435\u0439\u0447\u0430\u0441 \u0422\u043e\u043b\u044c\u043a\u043e \u041f\u043e\u044d\u0442\u043e\u043c\u0443",
};

constexpr const char16_t* kSpeechVerbs{u"said asked replied cried shouted whispered exclaimed answered called yelled added murmured muttered screamed wondered"};
constexpr const char16_t* kGermanMonths{u"Januar J\u00e4nner Februar M\u00e4rz April Mai Juni Juli August September Oktober November Dezember Jan Feb Apr Jun Jul Aug Sep Sept Okt Nov Dez"};
constexpr const char16_t* kBeforeOrdinal{u"am im vom zum zur der die das den dem des ein eine einen einem einer jeder jeden jede jedes beim seit bis ab dieser diese sein seine seinen "
                                         u"seinem ihr ihre ihren ihrem mein meine meinen und oder ersten kaiser k\u00f6nig papst nach vor dritten zweiten"};
// clang-format on

using Words = std::unordered_set<std::u16string>;

template <class Take>
void for_each_word(const char16_t* list, const Take& take) {
  std::u16string_view rest = list;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(u' '), rest.size());
    if (end > 0) take(std::u16string(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

Words words_of(std::initializer_list<const char16_t*> lists) {
  Words words;
  for (const char16_t* list : lists)
    for_each_word(list, [&](std::u16string word) { words.insert(std::move(word)); });
  return words;
}

using Kinds = std::unordered_map<std::u16string, Abbreviation>;

Kinds kinds_for(std::string_view language) {
  Kinds kinds;
  for (const Listed& listed : kAbbreviations)
    if (listed.language.empty() || listed.language == language)
      for_each_word(listed.words, [&](std::u16string word) {
        // among the common lists the stricter meaning wins; a list of the language itself has the last word
        if (!listed.language.empty())
          kinds[word] = listed.kind;
        else
          kinds.emplace(std::move(word), listed.kind);
      });
  return kinds;
}

}  // namespace

Abbreviation abbreviation_of(std::u16string_view word, std::string_view language) {
  static const std::unordered_map<std::string, Kinds> by_language = [] {
    std::unordered_map<std::string, Kinds> all;
    for (const char* name :
         {"", "english", "german", "french", "spanish", "italian", "portuguese", "russian"})
      all.emplace(name, kinds_for(name));
    return all;
  }();
  const auto own = by_language.find(std::string(language));
  const Kinds& kinds = own == by_language.end() ? by_language.at("") : own->second;
  const auto found = kinds.find(std::u16string(word));
  return found == kinds.end() ? Abbreviation::none : found->second;
}

bool begins_sentences(std::u16string_view word) {
  static const Words words = [] {
    Words all;
    for (const char16_t* list : kStarters) all.merge(words_of({list}));
    return all;
  }();
  return words.contains(std::u16string(word));
}

bool is_speech_verb(std::u16string_view word) {
  static const Words words = words_of({kSpeechVerbs});
  return words.contains(std::u16string(word));
}

bool is_german_month(std::u16string_view word) {
  static const Words words = words_of({kGermanMonths});
  return words.contains(std::u16string(word));
}

bool precedes_german_ordinal(std::u16string_view word) {
  static const Words words = words_of({kBeforeOrdinal});
  return words.contains(std::u16string(word));
}

}  // namespace tts
