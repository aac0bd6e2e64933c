use v5.36;

# What is exempt: by a value, the client's URI, or its agent.

use lib 't/lib';
use Test::More;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('page.html', 'page');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_gate on;
    consent_explain on;
    %%REALIP%%
    root %%ROOT%%;

    map $http_user_agent $monitor { ~^nagios 1; default 0; }
    map $http_x_probe $probe { secret yes; default ""; }

    server {
        listen 127.0.0.1:%%PORT%%;
        error_page 404 =200 /page.html;
        consent_subject $http_x_account;
        add_header X-Residence $consent_residence;

        location / { }

        location /value/ { consent_exempt $http_x_exempt; }
        location /values/ { consent_exempt $monitor $probe; }
        location /lines/ {
            consent_exempt $monitor;
            consent_exempt $probe;
        }
        location /joined/ { consent_exempt "$arg_a$arg_b"; }

        location /uri/ {
            consent_exempt_uri ^/uri/health$ \.txt$ ~*/FEED/ ~^/uri/tilde;
        }
        location /uri/own/ { consent_exempt_uri ^/uri/own/x; }
        location /references/ {
            consent_exempt_uri "^/references/(.)\1$" "^/references/x(.)-\1$";
        }
        location /groups/ {
            consent_exempt_uri "a|^/groups/b" "^/groups/(?:c|d)$";
        }
        location /rewritten/ {
            consent_exempt_uri ^/target/;
            rewrite ^ /target/ break;
        }
        location /asked/ {
            consent_exempt_uri ^/asked/;
            rewrite ^ /target/ break;
        }

        location /agent/ {
            consent_exempt_agent ^monitor/ ~*googlebot "with space"
                                 ~CaseMatters;
        }
    }
END

my $http = $t->http(headers => [Accept => 'text/html',
    'X-Real-IP' => address_of('DE')]);


sub exempt ($uri, @headers) {
    my $r = $http->get($uri, @headers);
    my $why = $r->header('Consent-Gate');

    return 'yes' if $r->status == 200 && $why =~ /^pass; reason=exempt;/;
    return 'no' if $r->status == 302 && $why =~ /^page; reason=missing;/;
    return $r->status . " $why";
}


# Though a variable asks for what is on record.
subtest 'it costs nothing' => sub {
    my $redis = $t->redis;
    my @anna = ('X-Account' => 'anna');
    exempt('/uri/', @anna);
    my $before = $redis->calls('hmget');

    is exempt('/uri/health', @anna), 'yes', 'exempt';
    $http->request('OPTIONS', '/uri/', \@anna);
    is exempt('/value/', @anna, 'X-Exempt' => 1), 'yes', 'once more';
    is $redis->calls('hmget'), $before, 'no lookup';
    is exempt('/uri/', @anna), 'no', 'not exempt';
    is $redis->calls('hmget'), $before + 1, 'one lookup';
};


subtest 'by a value' => sub {
    is exempt('/value/', 'X-Exempt' => $_), 'yes', "'$_' is true"
        for qw(1 yes no off 00 -);
    is exempt('/value/', 'X-Exempt' => $_), 'no', "'$_' is not"
        for '', '0';
    is exempt('/value/'), 'no', 'nor is nothing';
    is exempt('/', 'X-Exempt' => 1), 'no', 'only where it is said';
};

subtest 'by several values' => sub {
    for my $where (qw(/values/ /lines/)) {
        is exempt($where, 'User-Agent' => 'nagios 1'), 'yes', 'the first';
        is exempt($where, 'X-Probe' => 'secret'), 'yes', 'the second';
        is exempt($where, 'X-Probe' => 'guess'), 'no', 'neither';
    }

    is exempt('/joined/?a=0&b=0'), 'yes', 'a value of two that is not "0"';
    is exempt('/joined/?a=0'), 'no', 'and one that is';
};

subtest 'by the URI' => sub {
    is exempt($_), 'yes', $_ for qw(/uri/health /uri/robots.txt /uri/feed/x
        /uri/FeEd/ /uri/tilde /uri/health?x=y /uri/%68ealth /uri//health);
    is exempt($_), 'no', $_ for qw(/uri/health2 /uri/x/health /uri/x.txt/y
        /uri/x?/feed/ /uri/x?a.txt /uri/HEALTH /uri/TILDE /uri/x%3f.txt/y
        /uri/x/../health);
};

subtest 'patterns of a location' => sub {
    is exempt('/uri/own/x'), 'yes', 'its own';
    is exempt('/uri/own/y.txt'), 'no', 'replace those around it';
};

subtest 'patterns that are joined' => sub {
    is exempt("/references/$_"), 'yes', "reference: $_" for qw(aa xb-b);
    is exempt("/references/$_"), 'no', "reference: $_" for qw(ab xb-c x-b);
    is exempt("/groups/$_"), 'yes', "groups: $_" for qw(a b bc c d xa);
    is exempt("/groups/$_"), 'no', "groups: $_" for qw(cx xd e);
};

subtest 'the URI is that of the client' => sub {
    is exempt('/rewritten/'), 'no', 'not the one it is rewritten to';
    is exempt('/asked/'), 'yes', 'but the one it was rewritten from';
};

subtest 'by the agent' => sub {
    is exempt('/agent/', 'User-Agent' => $_), 'yes', $_
        for 'monitor/1', 'Mozilla (GoogleBot/2.1)', 'one with space',
        'XCaseMatters';
    is exempt('/agent/', 'User-Agent' => $_), 'no', $_
        for 'Monitor/1', 'a monitor/1', 'with', 'casematters', '';
    is exempt('/agent/'), 'no', 'none at all';
    is exempt('/', 'User-Agent' => 'monitor/1'), 'no',
        'only where it is said';
};

subtest 'the challenge of a certificate authority' => sub {
    is exempt('/.well-known/acme-challenge/token'), 'yes', 'everywhere';
    is exempt('//.well-known/acme%2dchallenge/x'), 'yes',
        'however it is spelled';
    is exempt($_), 'no', $_
        for '/.well-known/acme-challenge/', '/.well-known/acme-challenge',
        '/.well-known/', '/.well-known/acme-challenge/../x',
        '/x/.well-known/acme-challenge/token',
        '/uri/own/../../.well-known/acme-challenge/x',
        '/.well-known/acme-challenge/..%2fx';
};

subtest 'a pattern that is empty' => sub {
    for my $case (['~*', '^/health'], ['~', '^/health'], ['~*', '']) {
        my ($pattern, $next) = @$case;

        for my $directive (qw(consent_exempt_uri consent_exempt_agent)) {
            my $r = $t->nginx_t("%%CONSENT%% consent_gate on;\n"
                . "$directive $pattern $next;\n"
                . "server { listen 127.0.0.1:%%PORT%%; }");

            isnt $r->{code}, 0, "$directive $pattern $next: is refused";
            like $r->{output},
                qr/\[emerg\].*"\Q$pattern\E".*"$directive" directive/,
                'for it would exempt everything';
        }
    }
};

$t->done;
