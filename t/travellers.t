use v5.36;

# People who are not where they live, and how countries are spelled.

use lib 't/lib';
use MIME::Base64 ();
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Record qw(put_record record_key);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $today = int(time / 86_400);

$t->page("${_}index.html", 'home') for '', 'header/', 'uk/', 'el/', 'tor/';
$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(server => <<'END'));
    consent_subject $http_x_account;
    consent_remember_eea 180d;
    consent_override allow=$http_x_test_override;
    location /header/ { consent_country $http_x_country; }
    location /uk/ { consent_territory eea +UK; }
    location /el/ { consent_territory eea -EL; }
END

my $redis = $t->redis;

sub told ($browser, @request) {
    my ($uri, @headers) = @request ? @request : ('/');
    my $r = $browser->get($uri, @headers);
    my ($reason, $source) = $r->header('Consent-Gate')
        =~ /reason=(\w+);.* source=(\w+);/;
    return join ' ', $r->status, $reason, $source;
}

# The same browser, somewhere else.
sub at ($country, $browser) {
    return $t->browser($country, jar => $browser->jar);
}


subtest 'an American in Paris' => sub {
    my $home = $t->browser('US');
    is told($home), '200 outside address', 'is not asked at home';
    is_deeply [$home->jar->names], [], 'and gets no cookie there';

    my $paris = at(FR => $home);
    is told($paris), '302 missing address', 'but in Paris';
    is answer($paris)->status, 303, 'and answers';
    is told($paris), '200 accepted address', 'and passes';

    my $id = substr MIME::Base64::decode_base64url($home->jar->get('consent')),
        0, 16;
    my $key = record_key($id, kind => 'visitor');
    ok wait_for(sub { ($redis->hash($key)->{eea} // 0) == $today }),
        'the visit is remembered';
    is told($home), '200 accepted history', 'at home what was said counts';

    $redis->cmd('HSET', $key, 'd.terms' => '-');
    is told($home), '302 declined history', 'and is asked for there too';
    $redis->cmd('HSET', $key, eea => $today - 181);
    is told($home), '200 outside address', 'until half a year has gone by';
    is told(at(IT => $home)), '302 declined address', 'or in Rome';
};

subtest 'an American in Paris who lives in America' => sub {
    put_record($redis, 'joe', { res => 'US' });
    my @joe = ('/', 'X-Account' => 'joe');
    is told($t->browser('FR'), @joe), '302 missing address',
        'is asked in Paris: the law looks at where one is';
    ok wait_for(sub { $redis->hash(record_key('joe'))->{eea} }), 'noted';
    is told($t->browser('US'), @joe), '200 outside address', 'and not at home';
};

subtest 'a German in New York' => sub {
    my @uwe = ('/', 'X-Account' => 'uwe');

    is told($t->browser('US'), @uwe), '200 outside address',
        'of whom nothing is known, passes';
    is told($t->browser('DE'), @uwe), '302 missing address', 'in Berlin';
    ok wait_for(sub { $redis->hash(record_key('uwe'))->{eea} }),
        'it is remembered';
    is told($t->browser('US'), @uwe), '302 missing history', 'and then here';

    for my $case ([180 => '302 missing history'],
        [181 => '200 outside address'])
    {
        $redis->cmd('HSET', record_key('uwe'), eea => $today - $case->[0]);
        is told($t->browser('US'), @uwe), $case->[1], "$case->[0] days after";
    }

    $redis->cmd('HSET', record_key('uwe'), res => 'DE');
    is told($t->browser('US'), @uwe), '302 missing residence',
        'who has said where they live is asked as long as they do';
};

subtest 'an Icelander everywhere' => sub {
    is told($t->browser($_)), '302 missing address', "in $_"
        for qw(IS NO LI DE RE GP);
    is told($t->browser($_)), '200 outside address', "in $_"
        for qw(GL FO GB CH SJ);
};

subtest 'countries that a header tells, in every case' => sub {
    my $browser = $t->browser('US');

    is told($browser, '/header/', 'X-Country' => $_), '302 missing address',
        "'$_'" for qw(de DE De dE is EU eu gr);
    is told($browser, '/header/', 'X-Country' => $_), '200 outside address',
        "'$_'" for qw(us gb uk UK el EL);
    is told($browser, '/header/', 'X-Country' => $_),
        '200 unknown_country unknown', "'$_'" for qw(t1 T1 a1 XX zz deu), '';
};

# What people write in settings: UK is GB there, and EL is GR.
subtest 'UK and EL in settings' => sub {
    is told($t->browser('GB'), '/uk/'), '302 missing address', '+UK asks GB';
    is told($t->browser('GB')), '200 outside address', 'elsewhere not';
    is told($t->browser('GR'), '/el/'), '200 outside address', '-EL spares GR';
    is told($t->browser('GR')), '302 missing address', 'elsewhere not';
};

subtest 'UK and EL of a tester' => sub {
    my $ask = sub ($country, $uri = '/') {
        return told($t->browser('US'), $uri, 'X-Test-Override' => 1,
            'X-Consent-Country' => $country);
    };

    is $ask->('EL'), '302 missing override', 'EL is Greece';
    is $ask->('el'), '302 missing override', 'el';
    is $ask->('UK'), '200 outside override', 'UK is GB, outside';
    is $ask->('uk', '/uk/'), '302 missing override', 'inside where it is added';
    is $ask->('EL', '/el/'), '200 outside override', 'outside where not';
};

$t->done;
