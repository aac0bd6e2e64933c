package Bench::Load;

# Load on one variant: wrk, and what nginx's worker has used meanwhile.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use FindBin qw($Bin);
use POSIX qw(sysconf _SC_CLK_TCK);

use ConsentGate::HTTP;
use ConsentGate::Process qw(slurp);

use Bench::Lab;
use Bench::Variants qw(config);

our @EXPORT_OK = qw(begin check warm_up measure wrk request_headers);

use constant {
    CONNECTIONS => 64,
    BYTES       => 0.02,        # what the lengths of answers may differ by
    LOOKUPS     => 0.03,        # and the questions to Redis, each relative
};


my $runs = 0;                   # of wrk: each at random in another way


# Starts the nginx of a variant, and of its service.
sub begin ($lab, $variant, %options) {
    $variant->{nginx} = [];

    for my $one ($variant->{service} // (), $variant) {
        my $nginx = $lab->nginx($one->{name}, $lab->port($one->{name}),
            config($lab, $one, %options));

        push @{ $variant->{nginx} }, $nginx->start;
    }

    return;
}


# What a visitor's request is made of, as visitors.lua makes it; "new" is an
# inside address without the cookie.
sub request_headers ($request, $visitor) {
    my $cookie = $request eq 'inside' || $request eq 'outside'
        ? "consent=$visitor->{cookie}" : "session=$visitor->{cookie}";
    my $side = $request eq 'inside' || $request eq 'new' ? 'inside' : 'outside';

    return ('X-Real-IP' => $visitor->{$side}, Cookie => $cookie,
        'Accept'         => 'text/html,application/xhtml+xml,*/*;q=0.8',
        'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document');
}


# Whether a variant does what its row of the table says. Dies if not.
sub check ($lab, $variant) {
    my ($visitor) = $lab->visitors(1);
    my $name   = $variant->{name};
    my @header = request_headers($variant->{request}, $visitor);
    my $http   = ConsentGate::HTTP->new(port => $lab->port($name));
    my $page   = $http->get('/index.html', @header);

    die 'answers ' . $page->status . "\n"
        if $page->status != 200 || length $page->body != Bench::Lab::PAGE;

    $variant->{length} = answer_length($lab->port($name), @header);

    if (my $pattern = $variant->{explain}) {
        my $gate = ConsentGate::HTTP->new(port => $lab->port("$name-check"))
            ->get('/index.html', @header)->header('Consent-Gate') // '';

        die "decides: $gate\n" if $gate !~ $pattern;
    }

    if ($variant->{stops}) {
        my $stopped = $http->get('/index.html',
            request_headers('new', $visitor));

        die 'does not stop who is new: ' . $stopped->status . "\n"
            if $stopped->status != 302;
    }

    return;
}


# Bytes of an answer, head and body.
sub answer_length ($port, @header) {
    my $http = ConsentGate::HTTP->new(port => $port);
    my $length;

    $http->send_raw($http->format_request('GET', '/index.html', \@header));

    my $answer = '';
    my $end    = qr/\r\n\r\n.{@{[ Bench::Lab::PAGE ]}}\z/s;

    while ($answer !~ $end) {
        sysread $http->{socket}, $answer, 65_536, length $answer
            or die "no answer\n";
    }

    return length $answer;
}


# Every visitor, one after the other, until all have been there. Afterwards a
# cache has what it can have.
sub warm_up ($lab, $variant, %options) {
    my $seconds = 1;
    my $result;

    do {
        $result = wrk($lab, $variant, %options, seconds => $seconds,
            order => 'walk');
        $seconds = int($lab->{count} / $result->{rate} * 1.2) + 1;
    } while ($result->{requests} < $lab->{count});

    return $result;
}


# One measurement: us of CPU a request and the like. Dies when the variant has
# not done what its row says.
sub measure ($lab, $variant, %options) {
    my @pids    = map { $_->children } @{ $variant->{nginx} };
    my $masters = $options{masters} // $variant->{masters};
    my $lookups = $lab->lookups($masters);
    my $before  = cpu(@pids);

    my $result  = wrk($lab, $variant, %options);

    my $after   = cpu(@pids);
    my $n       = $result->{requests};

    $result->{lookups} = ($lab->lookups($masters) - $lookups) / $n;
    $result->{cpu}     = ($after->{ns} - $before->{ns}) / 1000 / $n;
    $result->{user}    = user_share($before, $after);

    examine($variant, $result);

    return $result;
}


sub examine ($variant, $result) {
    my $bytes = $result->{bytes} / $result->{requests} / $variant->{length};

    die "$result->{errors} errors\n" if $result->{errors};
    die sprintf "answers of another length: %.3f\n", $bytes
        if abs($bytes - 1) > BYTES;

    my $want = $variant->{lookups};
    die sprintf "%.3f questions to Redis for each request, and not %s\n",
        $result->{lookups}, $want
        if defined $want
            && abs($result->{lookups} - $want) > LOOKUPS * ($want || 1);

    return;
}


# Runs wrk. seconds, order, request, headers, count: see visitors.lua.
sub wrk ($lab, $variant, %options) {
    local $ENV{BENCH_VISITORS} = $lab->{visitors};
    local $ENV{BENCH_REQUEST}  = $variant->{request};
    local $ENV{BENCH_ORDER}    = $options{order} // 'random';
    local $ENV{BENCH_SEED}     = ++$runs;
    local $ENV{BENCH_HEADERS}  = $options{headers} // 'browser';
    local $ENV{BENCH_COUNT}    = $options{count};
    delete local $ENV{BENCH_COUNT} if !$options{count};

    open my $wrk, '-|', $lab->aside, 'wrk', '-t1', '-c' . CONNECTIONS,
        "-d$options{seconds}s", '-s', "$Bin/visitors.lua",
        'http://127.0.0.1:' . $lab->port($variant->{name}) . '/'
        or croak "wrk: $!";
    local $/;
    my $output = readline $wrk;
    close $wrk;

    my ($line) = $output =~ /^bench (.*)$/m or die "wrk: $output\n";
    my %result = split /[ =]/, $line;

    die "no answers\n" if !$result{requests};

    $result{rate} = $result{requests} / $result{us} * 1e6;

    return \%result;
}


# What processes have used: nanoseconds, and ticks in user and kernel mode.
sub cpu (@pids) {
    my %sum = (ns => 0, user => 0, system => 0);

    for my $pid (@pids) {
        my ($ns)  = split ' ', slurp("/proc/$pid/schedstat");
        my $stat  = slurp("/proc/$pid/stat") =~ s/^.*\) //sr;
        my @field = split ' ', $stat;

        $sum{user}   += $field[11];
        $sum{system} += $field[12];

        # kernels without it: in ticks, coarsely
        $sum{ns} += $ns
            // ($field[11] + $field[12]) * 1e9 / sysconf(_SC_CLK_TCK);
    }

    return \%sum;
}


sub user_share ($before, $after) {
    my $user   = $after->{user} - $before->{user};
    my $system = $after->{system} - $before->{system};

    return $user + $system ? $user / ($user + $system) : 0;
}

1;
