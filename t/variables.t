use v5.36;

# The variables, wherever they can be read.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(pseudonym put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'ann', { 'd.terms' => 2, 'd.privacy' => 1,
    'p.ads' => 1, 'p.maps' => 0, res => 'FR', });
put_record($t->redis, 'old', { 'd.terms' => 1, 'd.privacy' => '-' });

my @VARIABLES = qw(decision reason country country_source subject missing
    purposes purpose_ads purpose_maps purpose_core purpose_ads_state
    purpose_maps_title purpose_core_state min_age age_state residence cache
    return locale form_token document_terms_state document_privacy_state);

my $joined = join '|', map { "$_=\$consent_$_" } @VARIABLES;
my $echo   = join '|', map { qq{$_=<!--#echo var="consent_$_" default="" -->} }
    @VARIABLES;

$t->page('index.html', 'home');
$t->page('ssi.html', $echo);
$t->page('parent.html', 'parent <!--#include virtual="/part.html" -->'
    . ' <!--#include virtual="/sub" -->');
$t->page('part.html', $echo);
$t->page('policy-update', $echo);
$t->page('dir/index.html', 'in a directory');

my %DOCUMENTS = (
    TERMS   => [map { "document_terms_$_" }
        qw(title url version required kind accepted state sha256)],
    PRIVACY => [map { "document_privacy_$_" }
        qw(title effective effective_date kind accepted state)],
    FUTURE  => [map { "document_future_$_" } qw(title version state)],
    UNKNOWN => [qw(document_nothing_version document_terms_nothing
        purpose_nothing)],
);
my %TEXT = (JOINED => $joined, map {
    $_ => join '|', map { "\$consent_$_" } @{ $DOCUMENTS{$_} }
} keys %DOCUMENTS);

$t->nginx(<<'END' =~ s/\b(JOINED|TERMS|PRIVACY|FUTURE|UNKNOWN)\b/$TEXT{$1}/gr);
    consent_store { server %%REDIS%%; connect_timeout 2s; timeout 2s; }
    consent_key_file %%KEYS%%;
    consent_geoip %%GEO%%;
    consent_document terms   kind=accept      version=2 required=2
                             url=/legal/terms "title=Terms of \"Use\"";
    consent_document privacy kind=acknowledge version=1
                             effective=1527206400;
    consent_document future  kind=accept;
    consent_purpose ads;
    consent_purpose maps title=Maps;
    consent_purpose core necessary;
    consent_page /policy-update;
    consent_require terms privacy;
    consent_subject $http_x_account;
    consent_gate on;
    %%REALIP%%
    root %%ROOT%%;

    map $consent_decision $mapped {
        pass     may;
        page     "must be asked";
        default  other;
    }
    map $consent_country $german { DE yes; default no; }
    map $consent_decision $early { volatile; pass may; default not; }

    log_format variables '$request_uri JOINED $mapped';

    server {
        listen 127.0.0.1:%%PORT_up%%;
        consent_gate off;
        location / { return 200 "$http_x_all|$http_x_mapped"; }
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/variables.log variables;

        location / {
            add_header X-All "JOINED" always;
            add_header X-Mapped $mapped always;
        }
        location /upstream/ {
            proxy_set_header X-All "JOINED";
            proxy_set_header X-Mapped $mapped;
            proxy_pass http://127.0.0.1:%%PORT_up%%/;
        }
        location /early/ {
            if ($consent_decision = page) { return 500; }
            if ($consent_country = DE) { return 500; }
            set $before "$consent_decision,$consent_country";
            set $consent_mine "mine $arg_x";
            add_header X-Before $before always;
            add_header X-Mine $consent_mine always;
            add_header X-All "JOINED" always;
            add_header X-Early $early always;
            alias %%ROOT%%/;
            if ($early = not) { return 500; }
        }
        location /tried/ {
            try_files /none.html /index.html;
        }
        location = /tried/ {
            try_files /none.html @named;
        }
        location @named {
            add_header X-All "JOINED" always;
            try_files /index.html =404;
        }
        location /off/ {
            consent_gate off;
            add_header X-All "JOINED" always;
            alias %%ROOT%%/;
        }
        location ~ ^/(?:ssi|parent|part)\.html$ {
            ssi on;
            add_header X-All "JOINED" always;
        }
        location = /sub {
            proxy_set_header X-All "JOINED";
            proxy_set_header X-Mapped $mapped;
            proxy_pass http://127.0.0.1:%%PORT_up%%/;
        }
        location = /document {
            add_header X-Terms    "TERMS" always;
            add_header X-Privacy  "PRIVACY" always;
            add_header X-Future   "FUTURE" always;
            add_header X-Unknown  "[UNKNOWN]" always;
            try_files /index.html =404;
        }
        location = /policy-update {
            default_type text/html;
            ssi on;
            add_header X-All "JOINED" always;
        }
    }
END


# What is the same everywhere, for whom.
my %PEOPLE = (
    'a German' => {
        country => 'DE',
        values  => { decision => 'page', reason => 'missing',
            country => 'DE', country_source => 'address', subject => '',
            missing => 'terms,privacy', purposes => 'ads=0,maps=0,core=1',
            purpose_ads => 0, purpose_maps => 0, purpose_core => 1,
            purpose_ads_state => 'open', purpose_maps_title => 'Maps',
            purpose_core_state => 'necessary', min_age => 16,
            age_state => '', residence => '',
            cache => 'bypass', return => '/', locale => 'de-AT',
            form_token => '', document_terms_state => 'missing',
            document_privacy_state => 'missing' },
        mapped  => 'must be asked',
    },
    'an American' => {
        country => 'US',
        values  => { decision => 'pass', reason => 'outside',
            country => 'US', country_source => 'address', subject => '',
            missing => '', purposes => 'ads=0,maps=0,core=1',
            purpose_ads => 0, purpose_maps => 0, purpose_core => 1,
            purpose_ads_state => 'open', purpose_maps_title => 'Maps',
            purpose_core_state => 'necessary', min_age => 16,
            age_state => '', residence => '',
            cache => 'bypass', return => '/', locale => 'de-AT',
            form_token => '', document_terms_state => 'missing',
            document_privacy_state => 'missing' },
        mapped  => 'may',
    },
    'Ann, away' => {
        country => 'US',
        account => 'ann',
        values  => { decision => 'pass', reason => 'accepted',
            country => 'US', country_source => 'residence',
            subject => pseudonym('ann'),
            missing => '', purposes => 'ads=1,maps=0,core=1',
            purpose_ads => 1, purpose_maps => 0, purpose_core => 1,
            purpose_ads_state => 'granted', purpose_maps_title => 'Maps',
            purpose_core_state => 'necessary', min_age => 15,
            age_state => '', residence => 'FR',
            cache => 'bypass', return => '/', locale => 'de-AT',
            form_token => '', document_terms_state => 'accepted',
            document_privacy_state => 'accepted' },
        mapped  => 'may',
    },
    'one with an old record' => {
        country => 'IS',
        account => 'old',
        values  => { decision => 'page', reason => 'declined',
            country => 'IS', country_source => 'address',
            subject => pseudonym('old'), missing => 'terms,privacy',
            purposes => 'ads=0,maps=0,core=1',
            purpose_ads => 0, purpose_maps => 0, purpose_core => 1,
            purpose_ads_state => 'open', purpose_maps_title => 'Maps',
            purpose_core_state => 'necessary', min_age => 13,
            age_state => '', residence => '',
            cache => 'bypass', return => '/', locale => 'de-AT',
            form_token => '', document_terms_state => 'outdated',
            document_privacy_state => 'declined' },
        mapped  => 'must be asked',
    },
);

my $http = $t->http;


sub ask ($who, $uri, @headers) {
    my $p = $PEOPLE{$who};

    return $http->get($uri, Accept => 'text/html',
        'Accept-Language' => 'de-AT,en;q=0.5',
        'X-Real-IP' => address_of($p->{country}),
        $p->{account} ? ('X-Account' => $p->{account}) : (), @headers);
}


sub parse ($text) {
    return { map { split /=/, $_, 2 } split /\|/, $text // '' };
}


for my $who (sort keys %PEOPLE) {
    my %values = %{ $PEOPLE{$who}{values} };
    my $mapped = $PEOPLE{$who}{mapped};
    my $passes = $values{decision} eq 'pass';
    my $status = $passes ? 200 : 302;

    subtest "$who: response headers and maps" => sub {
        for my $uri ('/', '/dir/') {
            my $r = ask($who, $uri);
            is $r->status, $status, "$uri: status";
            is_deeply parse($r->header('X-All')), \%values, 'values';
        }
        is ask($who, '/none')->header('X-Mapped'), $mapped, 'a map';
    };

    subtest "$who: the log" => sub {
        my $mark = '/?' . $who =~ tr/a-zA-Z//cdr;
        ask($who, $mark);
        my $line = wait_for(sub {
            slurp($t->dir . '/variables.log') =~ /^\Q$mark\E (.*)$/m && $1;
        });
        like $line, qr/ \Q$mapped\E$/, 'a map';
        is_deeply parse($line =~ s/ \Q$mapped\E$//r), \%values, 'values';
    };

    subtest "$who: read before the gate has run" => sub {
        my $r = ask($who, '/early/index.html?x=1');

        is $r->status, $status, 'status';
        is $r->header('X-Before'), 'pass,', 'nothing is known then';
        is $r->header('X-Mine'), 'mine 1', 'a variable of ones own stays';
        is_deeply parse($r->header('X-All')), \%values,
            'and it is known afterwards';
        is $r->header('X-Early'), $passes ? 'may' : 'not',
            'by a volatile map too';
    };

    subtest "$who: internal redirects" => sub {
        my $r = ask($who, '/tried/x');
        is $r->status, $status, 'try_files';
        is_deeply parse($r->header('X-All')), \%values, 'values' if $passes;
        is_deeply parse(ask($who, '/tried/')->header('X-All')), \%values,
            'a named location' if $passes;
    };

    next if !$passes;

    subtest "$who: an upstream" => sub {
        my $body = ask($who, '/upstream/')->body;
        like $body, qr/\|\Q$mapped\E$/, 'a map';
        is_deeply parse($body =~ s/\|\Q$mapped\E$//r), \%values, 'values';
    };

    subtest "$who: SSI" => sub {
        is_deeply parse(ask($who, '/ssi.html')->body), \%values, 'values';
    };

    subtest "$who: subrequests" => sub {
        my ($part, $sub) = ask($who, '/parent.html')->body
            =~ /^parent (\S+) (.*)$/;
        is_deeply parse($part), \%values, 'SSI in an included file';
        is_deeply parse($sub =~ s/\|\Q$mapped\E$//r), \%values,
            'request headers of an included upstream';
    };
}

subtest 'where the gate is off' => sub {
    my $r = ask('Ann, away', '/off/index.html');
    my $v = parse($r->header('X-All'));

    is $r->status, 200, 'passes';
    is $v->{decision}, 'pass', 'decision';
    is $v->{reason}, 'off', 'reason';
    is $v->{$_}, '', "$_ is empty"
        for qw(country country_source subject missing purposes form_token
            min_age age_state residence);
    is $v->{purpose_ads}, 0, 'no purpose is granted';
};

subtest 'the page' => sub {
    my $r = ask('one with an old record',
        '/policy-update?return=/x%3Fa%3Db&need=terms');
    my ($header, $body) = (parse($r->header('X-All')), parse($r->body));

    is $header->{reason}, 'own', 'is ours';
    is $header->{return}, '/x?a=b', 'return';
    is $header->{missing}, 'terms', 'missing of what is asked for';
    is $header->{country_source}, 'address', 'source';
    like $header->{form_token}, qr/^k1\.[\w-]{60,}$/, 'a token';
    is_deeply $body, $header, 'SSI has the same, the token too';

    is parse(ask('a German', "/policy-update?return=$_")->body)->{return},
        '/', "no way out: $_" for qw(//x.example /%5cx.example https://x.example
            %2f%2fx.example /%252fx.example /x%0d%0aSet-Cookie:a=b x);
};

subtest 'documents' => sub {
    my $r = ask('Ann, away', '/document');
    is $r->header('X-Terms'),
        'Terms of "Use"|/legal/terms|2|2|accept|2|accepted|', 'one';
    is $r->header('X-Privacy'),
        'privacy|1527206400|2018-05-25|acknowledge|1|accepted', 'privacy';
    is $r->header('X-Future'), '||unknown', 'one that is to come';
    is $r->header('X-Unknown'), '[||]', 'what there is not';
};

$t->done;
