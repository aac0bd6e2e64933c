use v5.36;

# The country database: replaced while nginx runs, and refused when it is no
# good.

use lib 't/lib';
use POSIX qw(mkfifo);
use Test::More;
use ConsentGate::Test;

my $t    = ConsentGate::Test->new;
my $path = $t->dir . '/country.mmdb';


sub database ($country, %options) {
    return slurp($t->mmdb({ '10.0.0.0/8' =>
        $options{record} // { country => { iso_code => $country } } }));
}


# As operators do it: another file under the name.
sub replace ($bytes) {
    $t->write_file($path, $bytes);
    return;
}


replace(database('DE'));
$t->page('index.html', 'home');

my $config = <<'END';
    consent_store { server %%REDIS%%; connect_timeout 2s; timeout 2s; }
    consent_key_file %%KEYS%%;
    consent_geoip %%DIR%%/country.mmdb reload=100ms;
    consent_document terms kind=accept version=1;
    consent_page /policy-update;
    consent_gate on;
    %%REALIP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        add_header X-Country $consent_country always;
    }
END

my $nginx = $t->nginx($config);
my $http  = $t->http(headers => ['X-Real-IP' => '10.1.1.1']);


sub country () {
    return $http->get('/')->header('X-Country') // '';
}


sub comes_to ($country) {
    return wait_for(sub { country() eq $country }, 5);
}


subtest 'replaced by rename' => sub {
    is country(), 'DE', 'as it was';
    replace(database('US'));
    ok comes_to('US'), 'comes into use by itself';
    like $t->log, qr/\[notice\].*consent_geoip: "\Q$path\E" is replaced/,
        'and is logged';
};

subtest 'replaced by another kind of database' => sub {
    replace(database('', record => { country_code => 'FR' }));
    ok comes_to('FR'), 'that has the country elsewhere';
    replace(database('', record => { country => 'IS' }));
    ok comes_to('IS'), 'or as a string';
};

for my $case (
    ['cut off', substr database('NO'), 0, 300],
    ['empty', ''],
    ['of another kind', database('', record => { asn => 'AS64500' })],
    ['noise', "\xab\xcd\xefMaxMind.com" . 'x' x 5000],
) {
    my ($what, $bytes) = @$case;

    subtest "replaced by one that is $what" => sub {
        my $from = $t->log_size;
        replace($bytes);

        ok $t->wait_for_log(qr/\[error\].*consent_geoip:.*\Q$path\E.*kept/,
            from => $from), 'is told';
        is country(), 'IS', 'the old one is kept';

        # The timer has run several times when a good one is found.
        replace(database('SE'));
        ok comes_to('SE'), 'the next good one is taken';

        my @lines = substr($t->log, $from) =~ /^.*\[error\].*$/mg;
        is @lines, 1, 'one line was written' or diag @lines;

        replace(database('IS'));
        ok comes_to('IS'), 'and the next';
    };
}

subtest 'removed' => sub {
    unlink $path or die;
    is country(), 'IS', 'the old one is kept';
    replace(database('GB'));
    ok comes_to('GB'), 'until there is a new one';
};

subtest 'a request while it is replaced' => sub {
    my %seen;

    for my $country (qw(DE FR) x 3) {
        replace(database($country));
        ok wait_for(sub {
            my $now = country();
            $seen{$now}++;
            $now eq $country;
        }), $country;
    }

    is_deeply [sort keys %seen], [qw(DE FR GB)], 'has the one or the other';
};

subtest 'a reload of nginx' => sub {
    replace(database('IE'));
    ok $t->reload, 'takes what is there';
    is country(), 'IE', 'at once';
    replace(database('PT'));
    ok comes_to('PT'), 'and watches on';
};

my %REFUSED = (
    'one that is missing' => [undef, qr/No such file or directory/],
    'one that is empty'   => ['', qr/the file is empty/],
    'one that is cut off' => [substr(database('NO'), 0, 300),
        qr/is not a whole MMDB file/],
    'one that is no database' => ['<html>', qr/is not a whole MMDB file/],
    'one of another kind' => [database('', record => { asn => 'AS64500' }),
        qr/has no country: looked for "country.iso_code", "country_code" and/],
);


sub refused ($what, $message) {
    my $r = $t->nginx_t($config);
    my @lines = $r->{output} =~ /^.*\[emerg\].*$/mg;

    isnt $r->{code}, 0, 'nginx -t fails';
    is @lines, 1, 'with one line' or diag $r->{output};
    like $lines[0], $message, 'that says why';
    like $lines[0], qr/"?consent_geoip"?.*\Q$path\E/,
        'and names directive and file';
    return;
}


for my $what (sort keys %REFUSED) {
    my ($bytes, $message) = @{ $REFUSED{$what} };

    subtest $what => sub {
        defined $bytes ? replace($bytes) : unlink $path;
        refused($what, $message);
    };
}

subtest 'a directory' => sub {
    unlink $path;
    mkdir $path or die;
    refused('a directory', qr/not a regular file/);
    rmdir $path;
};

subtest 'a pipe' => sub {
    mkfifo($path, 0600) or die;
    refused('a pipe', qr/not a regular file/);
    unlink $path;
};

$t->done;
